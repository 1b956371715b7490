package attacks

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-13): the note that an agent is not trusted enough to go without a reviewer is written and never read.
// Attack: a request with that note that no policy asks about.
// Proof: it is held for a reviewer.
func TestDistrusted(t *testing.T) {
	t.Parallel()
	w := shared(t)
	r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: agent, Action: "distrusted", Reason: "r", Target: v1alpha1.Target{URI: "test://" + w.ns}}}
	r.Namespace, r.GenerateName = w.ns, "distrusted-"
	r.Annotations = map[string]string{v1alpha1.AnnotationRequiresHumanApproval: "true", v1alpha1.AnnotationSubmittedBy: agent}
	check(t, w.live.Create(t.Context(), r))
	eventually(t, "it is held", func() bool {
		return meta.IsStatusConditionTrue(w.stored(t, r.Name).Status.Conditions, v1alpha1.ConditionRequiresApproval)
	})
}
