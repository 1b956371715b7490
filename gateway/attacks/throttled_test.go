package attacks

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Hole (W-39): the Kubernetes client of the gateway keeps its library's limit of five calls a second, so a few busy agents hold
// up all others.
// Attack: forty submissions at once, each of which takes several calls.
// Proof: they are decided in less time than half of their calls would take at that limit.
func TestThrottled(t *testing.T) {
	t.Parallel()
	w := shared(t)
	const many, writes, limit = 40, 4, 5
	began := time.Now()
	var all sync.WaitGroup
	for n := range many {
		all.Go(func() {
			w.as(t, agent, http.MethodPost, "/agent-requests", w.submission(fmt.Sprintf("busy-%d", n))).is(t, http.StatusCreated, "Approved")
		})
	}
	all.Wait()
	if took := time.Since(began); took > many*writes/limit/2*time.Second {
		t.Errorf("%d submissions took %s", many, took)
	}
}
