package queue

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// rules are the policies as they were read last.
type rules struct {
	policies []v1alpha1.SafetyPolicy
	// revision changes when they do.
	revision int
	asked    time.Time
	reading  bool
}

// rulesEvery is the time between two readings.
const rulesEvery = 10 * time.Second

// rulesRead is the answer.
type rulesRead struct {
	queue    *Queue
	policies []v1alpha1.SafetyPolicy
	err      error
}

// readRules reads the policies when it is time to. A gateway that does not tell them is asked again later, and nothing
// is said about it: the record names the rule in any case.
func (q *Queue) readRules() tea.Cmd {
	if q.Policies == nil || q.Read == nil || q.rules.reading || !q.snapshot.Current() || q.now.Sub(q.rules.asked) < rulesEvery {
		return nil
	}
	q.rules.reading, q.rules.asked = true, q.now
	return q.Read(func(ctx context.Context) tea.Msg {
		policies, err := q.Policies(ctx)
		return rulesRead{queue: q, policies: policies, err: err}
	})
}

func (q *Queue) takeRules(msg rulesRead) {
	if msg.queue != q {
		return
	}
	q.rules.reading = false
	if msg.err != nil || equality.Semantic.DeepEqual(q.rules.policies, msg.policies) {
		return
	}
	q.rules.policies = msg.policies
	q.rules.revision++
}
