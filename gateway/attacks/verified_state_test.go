package attacks

import (
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-19, W-20): what the control plane saw of a target is thrown away, so the reviewer does not see that it serves,
// need not say why it may go anyway, and an approval counts whatever happened to the target since.
// Attack: a deletion of a deployment with traffic is approved without a word; another is approved after the target changed.
// Proof: the state is stored and shown, approving without a reason is refused, and the late approval does not count.
func TestVerifiedState(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.holds(t, "remove-live")
	deployment := w.serving(t, "shop")
	body := strings.Replace(w.submission("remove-live"), "test://"+w.ns+"/remove-live", "k8s://prod/"+w.ns+"/deployment/shop", 1)
	state := w.as(t, agent, http.MethodPost, "/agent-requests", body).is(t, http.StatusCreated, "").state(t)
	if v := state.ControlPlaneVerification; v == nil || !v.TargetExists || !v.HasActiveEndpoints || v.FetchedAt.IsZero() {
		t.Fatalf("verification %+v", v)
	}
	w.as(t, reviewer, http.MethodPost, w.path(state.Name, "/approve"), "").is(t, http.StatusBadRequest, "reason required: control plane verified active endpoints")

	seen := w.stored(t, state.Name).ResourceVersion
	deployment.Spec.Replicas = ptr.To[int32](7)
	check(t, w.live.Update(t.Context(), deployment))
	got := w.as(t, reviewer, http.MethodPost, w.path(state.Name, "/approve"), `{"reason":"it is drained","resourceVersion":"`+seen+`"}`)
	if strings.Contains(got.body, `"phase":"Approved"`) {
		t.Errorf("an approval of what changed since counts: %d %s", got.status, got.body)
	}
	if r := w.stored(t, state.Name); r.Status.Phase == v1alpha1.PhaseApproved {
		t.Errorf("phase %s", r.Status.Phase)
	}
}

// serving makes a deployment with one endpoint that serves.
func (w *world) serving(t testing.TB, name string) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}
	check(t, w.live.Create(t.Context(), d))
	check(t, w.live.Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: w.ns, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}},
	}))
	return d
}
