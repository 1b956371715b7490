package attacks

import (
	"net/http"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
)

// Hole (W-26): an execution that takes longer than the lock is failed while its agent is at work, who cannot tell that it
// lives; and one whose lock is gone goes on for ever.
// Attack: an agent that works for longer than the lock lasts and tells so; then one that dies.
// Proof: the first keeps its target until it is done; the second is failed, and its target is free.
func TestLongExecution(t *testing.T) { //nolint:paralleltest // see own
	const lockDuration = 3 * time.Second
	w := own(t, func(o *gateway.Options) { o.LockDuration = lockDuration })
	name := w.submit(t, agent, "long").Name
	w.as(t, agent, http.MethodPost, w.path(name, "/executing"), "").is(t, http.StatusOK, "Executing")
	w.as(t, agent, http.MethodPost, w.path(name, "/executing"), "").is(t, http.StatusConflict, "can only transition to Executing from Approved")
	for end := time.Now().Add(2 * lockDuration); time.Now().Before(end); time.Sleep(lockDuration / 6) {
		w.as(t, agent, http.MethodPost, w.path(name, "/heartbeat"), "").is(t, http.StatusOK, "Executing")
	}
	w.as(t, agent, http.MethodPut, w.path(name, "/result"), `{"url":"https://ci.example.org/7","summary":"done"}`).is(t, http.StatusOK, "result recorded")
	w.as(t, agent, http.MethodPost, w.path(name, "/completed"), "").is(t, http.StatusOK, "Completed")

	silent := w.submit(t, agent, "long")
	if silent.Phase != v1alpha1.PhaseApproved {
		t.Fatalf("the target is not free: %s", silent.Phase)
	}
	w.as(t, agent, http.MethodPost, w.path(silent.Name, "/executing"), "").is(t, http.StatusOK, "Executing")
	w.phase(t, silent.Name, v1alpha1.PhaseFailed)
	w.as(t, agent, http.MethodPost, w.path(silent.Name, "/heartbeat"), "").is(t, http.StatusConflict, "Failed")
	if next := w.submit(t, rival, "long"); next.Phase != v1alpha1.PhaseApproved {
		t.Errorf("the target is not free: %s", next.Phase)
	}
}
