package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// unmatched is the path of requests that no route answers, in the metrics.
const unmatched = "/__unmatched__"

// measures counts the requests of one server. The names are those of the public AIP gateway.
type measures struct {
	registry *prometheus.Registry
	total    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	streams  prometheus.Gauge
	// lookups are the reads of the API server for streams.
	lookups prometheus.Counter
}

func newMeasures() *measures {
	labels := []string{"method", "path", "status_code"}
	m := &measures{
		registry: prometheus.NewRegistry(),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_gateway_request_total", Help: "Requests that were answered.",
		}, labels),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aip_gateway_request_duration_seconds", Help: "How long the answers took.", Buckets: prometheus.DefBuckets,
		}, labels),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aip_gateway_streams", Help: "Streams of server-sent events that are open.",
		}),
		lookups: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aip_gateway_sse_apireader_get_total",
			Help: "Reads of the Kubernetes API past the cache for streams of server-sent events: one for a request that the cache does not know.",
		}),
	}
	m.registry.MustRegister(m.total, m.took, m.streams, m.lookups)
	return m
}

// handler answers with the measures of this server, and with those of the process and its controllers.
func (m *measures) handler() http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, metrics.Registry}, promhttp.HandlerOpts{})
}

// metrics answers GET /metrics.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request, _ caller) error {
	s.measures.handler().ServeHTTP(w, r)
	return nil
}

// ended counts an answer. Callers choose methods and paths, so only those of the route table make a label.
func (m *measures) ended(r *http.Request, note *info, took time.Duration) {
	method, path := r.Method, note.route
	if path == "" {
		method, path = "", unmatched
	}
	labels := prometheus.Labels{"method": method, "path": path, "status_code": strconv.Itoa(note.status)}
	m.total.With(labels).Inc()
	m.took.With(labels).Observe(took.Seconds())
}
