package tour

import (
	"slices"
	"testing"

	"github.com/aip-dev/aip-dev/tui/part/text"
)

func TestWrapped(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"  reason     short": {"  reason     short"},
		"  reason     still serves checkout: refresh your metrics": {
			"  reason     still serves", "             checkout: refresh", "             your metrics",
		},
		"  target     k8s://tour/x/deployment/web":       {"  target", "    k8s://tour/x/deployment/", "    web"},
		"POST /agent-requests/aip-agent-1-8w7fl/approve": {"POST", "    /agent-requests/", "    aip-agent-1-8w7fl/approve"},
	} {
		got := wrapped(line, 30)
		for _, l := range got {
			if text.Width(l) > 30 {
				t.Errorf("%q is wider than 30 columns", l)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("found %q, expected %q", got, want)
		}
	}
}
