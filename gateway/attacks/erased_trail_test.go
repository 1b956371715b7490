package attacks

import (
	"net/http"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-10): a trail that belongs to its request goes with it, and submitting again makes the request go.
// Attack: a denied request is submitted again, then the request is deleted through the Kubernetes API.
// Proof: the first request stays beside the second, and the records of both stay whatever is deleted.
func TestErasedTrail(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "erased"`})
	first := w.submit(t, agent, "erased").Name
	again := w.submit(t, agent, "erased").Name
	if again == first {
		t.Fatal("the finished request was handed out again")
	}
	w.stored(t, first)
	count := func() int {
		var list v1alpha1.AuditRecordList
		check(t, w.live.List(t.Context(), &list, inNamespace(w.ns), client.MatchingLabels{v1alpha1.LabelAgentRequestRef: first}))
		for i := range list.Items {
			if len(list.Items[i].OwnerReferences) > 0 {
				t.Errorf("%s belongs to %v", list.Items[i].Name, list.Items[i].OwnerReferences)
			}
		}
		return len(list.Items)
	}
	eventually(t, "the trail has submission, evaluation and denial", func() bool { return count() >= 3 })
	before := count()
	check(t, w.live.Delete(t.Context(), w.stored(t, first)))
	eventually(t, "the request is gone", func() bool {
		var r v1alpha1.AgentRequest
		return client.IgnoreNotFound(w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: first}, &r)) == nil && r.Name == ""
	})
	if after := count(); after < before {
		t.Errorf("%d records of %d are left", after, before)
	}
	var list v1alpha1.AuditRecordList
	check(t, w.live.List(t.Context(), &list, inNamespace(w.ns)))
	changed := list.Items[0].DeepCopy()
	changed.Spec.Event = v1alpha1.AuditRequestApproved
	if err := w.live.Update(t.Context(), changed); err == nil {
		t.Error("a record was changed")
	}
	w.as(t, reviewer, http.MethodGet, "/audit-records?namespace="+w.ns+"&agentRequest="+first, "").is(t, http.StatusOK, "request.denied")
}
