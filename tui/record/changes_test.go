package record_test

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	before := fakegateway.Rich(now)
	after := before.DeepCopy()
	after.ResourceVersion = "other"
	after.Status.ControlPlaneVerification.ActiveEndpointCount = 0
	after.Spec.Parameters.Raw = []byte(`{"replicas":{"to":1,"from":3},"force":false,"note":"größe \u001b[31m\u202eevil","ids":[3,1,2]}`)
	after.Status.Conditions = append(after.Status.Conditions, metav1.Condition{Type: "Approved", Status: "True", Reason: "Approved"})
	var got []string
	for _, c := range record.Changes(before, after) {
		got = append(got, c.What+": "+c.Old+" > "+c.New)
	}
	want := "parameters.replicas.to: 0 > 1\n" +
		"conditions.Approved.reason:  > Approved\nconditions.Approved.status:  > True\nverified endpoints: 2 > "
	if joined := strings.Join(got, "\n"); joined != want {
		t.Errorf("found\n%s\nwant\n%s", joined, want)
	}
}

// Two like requests differ in what they ask for and in what was found out about their targets.
func TestDifferences(t *testing.T) {
	t.Parallel()
	a := fakegateway.Pending("one", "cost-bot", "scale-down", "k8s://prod/a", "idle", now)
	b := fakegateway.Pending("two", "cost-bot", "scale-down", "k8s://prod/b\x1b[2J", "idle", now.Add(1))
	b.Status.Phase = "Approved"
	b.Status.ProviderContext = &apiextensionsv1.JSON{Raw: []byte(`{"ciStatus":"failure"}`)}
	changes := record.Differences(a, b)
	if len(changes) != 2 || changes[0].What != "target" || changes[1].What != "providerContext.ciStatus" || changes[1].New != "failure" {
		t.Fatalf("found %+v", changes)
	}
	for _, width := range []int{20, 60} {
		for _, l := range record.ChangeLines(changes, plain(), width, 0) {
			if text.Width(l) > width || strings.ContainsRune(l, 0x1b) {
				t.Errorf("width %d: %q", width, l)
			}
		}
	}
}
