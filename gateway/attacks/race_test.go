package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-33): of an approval and a denial at once both are answered 200, and the later one overwrites the earlier.
// Attack: two reviewers decide differently at the same moment, a hundred times, ten requests at a time.
// Proof: one is answered 200, the other 409 with who won, and the object says the same.
func TestRace(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionRequireApproval, Expression: `request.spec.action.startsWith("contested-")`})
	for lane := range 10 {
		action := fmt.Sprintf("contested-%d", lane) // each has a target of its own
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			for range 10 {
				w.contest(t, action)
			}
		})
	}
}

// contest lets two reviewers decide about one request at once.
func (w *world) contest(t *testing.T, action string) {
	t.Helper()
	name := w.submit(t, agent, action).Name
	var answers [2]reply
	var both sync.WaitGroup
	for i, c := range []struct{ who, verb string }{{reviewer, "/approve"}, {second, "/deny"}} {
		both.Go(func() { answers[i] = w.as(t, c.who, http.MethodPost, w.path(name, c.verb), `{"reason":"mine"}`) })
	}
	both.Wait()
	won, lost := 0, 1
	if answers[0].status != http.StatusOK {
		won, lost = 1, 0
	}
	winner := []string{reviewer, second}[won]
	answers[won].is(t, http.StatusOK, []string{"Approved", "Denied"}[won])
	answers[lost].is(t, http.StatusConflict, winner)
	r := w.stored(t, name)
	if r.Spec.HumanApproval.ApprovedBy != winner || r.Status.Phase != []v1alpha1.Phase{v1alpha1.PhaseApproved, v1alpha1.PhaseDenied}[won] {
		t.Errorf("%s won, the object says %+v and %s", winner, r.Spec.HumanApproval, r.Status.Phase)
	}
	if r.Status.Phase == v1alpha1.PhaseApproved {
		w.as(t, agent, http.MethodPost, w.path(name, "/failed"), "").is(t, http.StatusOK, "Failed")
	}
}

// Hole (W-34): gateway and controller write all conditions from what they read before, so one wipes what the other wrote.
// Attack: an agent reports at once what it does and what came out, while the controller moves the phase.
// Proof: every condition is there at the end.
func TestLostConditions(t *testing.T) {
	t.Parallel()
	w := shared(t)
	name := w.submit(t, agent, "all-at-once").Name
	w.as(t, agent, http.MethodPost, w.path(name, "/executing"), "").is(t, http.StatusOK, "Executing")
	var all sync.WaitGroup
	all.Go(func() {
		w.as(t, agent, http.MethodPost, w.path(name, "/completed"), "").is(t, http.StatusOK, "Completed")
	})
	for range 5 {
		all.Go(func() {
			w.as(t, agent, http.MethodPut, w.path(name, "/result"), `{"url":"https://ci.example.org/7","summary":"s"}`).is(t, http.StatusOK, "recorded")
		})
	}
	all.Wait()
	r := w.phase(t, name, v1alpha1.PhaseCompleted)
	var found []string
	for _, c := range r.Status.Conditions {
		found = append(found, c.Type)
	}
	for _, want := range []string{"RequestSubmitted", "PolicyEvaluated", "Approved", "Executing", "Completed"} {
		if !strings.Contains(strings.Join(found, " "), want) {
			t.Errorf("condition %s is not among %v", want, found)
		}
	}
	if r.Status.Result == nil {
		t.Error("the result is lost")
	}
}
