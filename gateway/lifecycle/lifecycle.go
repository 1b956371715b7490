package lifecycle

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// ErrNoTransition says that the table has no row for this state and event.
var ErrNoTransition = errors.New("the lifecycle has no such transition")

// Next returns the status after event, or ErrNoTransition and the status unchanged. It never changes its argument;
// now becomes the time of the conditions that change.
func Next(status v1alpha1.AgentRequestStatus, event Event, now time.Time) (v1alpha1.AgentRequestStatus, error) {
	from := StateOf(status)
	to, ok := next(from, event.trigger())
	if !ok {
		return status, fmt.Errorf("%w: %s in %s", ErrNoTransition, event.trigger(), from)
	}
	out := status.DeepCopy()
	out.Phase = to.Phase
	event.apply(&statusWriter{before: status, status: out, at: metav1.NewTime(now)})
	return *out, nil
}
