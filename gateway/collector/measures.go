package collector

import "github.com/prometheus/client_golang/prometheus"

// Labels of the metrics.
const (
	resourceRequests = "agentrequests"
	resourceRecords  = "auditrecords"

	reasonAge    = "hard_ttl"
	reasonDryRun = "dry_run"
	reasonSafety = "safety_valve"
)

// measures have the names of the public AIP control plane.
type measures struct {
	deleted, skipped, evaluated *prometheus.CounterVec
	took                        *prometheus.HistogramVec
}

func newMeasures(to prometheus.Registerer) *measures {
	m := &measures{
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_gc_objects_deleted_total", Help: "Objects that were removed.",
		}, []string{"resource", "reason"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_gc_objects_skipped_total", Help: "Objects that are old enough and were not removed.",
		}, []string{"resource", "reason"}),
		evaluated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_gc_scan_objects_evaluated_total", Help: "Objects that were looked at.",
		}, []string{"resource"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aip_gc_scan_duration_seconds", Help: "How long a scan took.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8),
		}, []string{"resource"}),
	}
	// Those that count what may never happen are there from the start: what is not there cannot be watched.
	// Source: https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics
	for _, resource := range []string{resourceRequests, resourceRecords} {
		m.deleted.WithLabelValues(resource, reasonAge)
		m.skipped.WithLabelValues(resource, reasonDryRun)
		m.skipped.WithLabelValues(resource, reasonSafety)
	}
	to.MustRegister(m.deleted, m.skipped, m.evaluated, m.took)
	return m
}
