package gateway

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/collector"
)

// TestMetricNames: every metric of the public AIP control plane is served, with its labels. It has a gateway of its own,
// which denies everything and removes nothing.
func TestMetricNames(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) {
		o.DefaultAction = v1alpha1.ActionDeny
		o.Collector = collector.Settings{Enabled: true, DryRun: true, Interval: time.Hour, PageSize: 500, Rate: 1}
	})
	denied := w.submit(t, agent1, "denied")
	served := func() string { return w.do(t, "GET", "/metrics", "", "").want(t, http.StatusOK, "").body }
	want := map[string]string{
		"aip_gateway_request_total":                          `{method="POST",path="POST /agent-requests",status_code="201"} 1`,
		"aip_gateway_request_duration_seconds_bucket":        `{method="POST",path="POST /agent-requests",status_code="201",le="10"} 1`,
		"aip_gateway_sse_apireader_get_total":                " 0",
		"aip_agentrequest_total":                             `{phase="Denied"} 1`,
		"aip_agentrequest_denied_total":                      `{code="POLICY_VIOLATION"} 1`,
		"aip_agentrequest_evaluation_duration_seconds_count": " 1",
		"aip_agentrequest_active":                            " ",
		"aip_opslock_contention_total":                       " 0",
		"aip_opslock_expired_total":                          " 0",
		"aip_opslock_active":                                 " ",
		"aip_gc_objects_deleted_total":                       `{reason="hard_ttl",resource="agentrequests"} 0`,
		"aip_gc_objects_skipped_total":                       `{reason="dry_run",resource="auditrecords"} 0`,
		"aip_gc_scan_duration_seconds_count":                 `{resource="agentrequests"} 1`,
		"aip_gc_scan_objects_evaluated_total":                `{resource="auditrecords"} `,
	}
	defer func() {
		if len(want) > 0 {
			t.Errorf("not served: %v", want)
		}
	}()
	eventually(t, func() bool { // an answer is counted after it was given
		body := served()
		maps.DeleteFunc(want, func(name, labels string) bool { return strings.Contains(body, "\n"+name+labels) })
		return len(want) == 0
	})
	// A stream of a request that the cache has costs the API server nothing; what the cache does not know is looked up there.
	const lookups = "\naip_gateway_sse_apireader_get_total "
	if kind, _, err := w.open(t, w.Token(t, agent1), w.path(denied.Name, "/watch")).next(); err != nil || kind != eventResult {
		t.Errorf("the stream begins with %s, %v", kind, err)
	}
	if got := served(); !strings.Contains(got, lookups+"0\n") {
		t.Error("a request that the cache has was looked up")
	}
	unknown, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+w.path("unknown", "/watch"), nil)
	check(t, err)
	unknown.Header.Set("Accept", "text/event-stream")
	unknown.Header.Set("Authorization", "Bearer "+w.Token(t, agent1))
	send(t, unknown).want(t, http.StatusNotFound, "AgentRequest unknown not found")
	if got := served(); !strings.Contains(got, lookups+"1\n") {
		t.Error("a request that the cache does not know was not counted as looked up")
	}
}
