package tui

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

// ending puts requests that wait for a lock, for their start and for a grade, so that there is something that ends.
func ending(s *screen) {
	put := func(name string, phase v1alpha1.Phase, condition string, status metav1.ConditionStatus) {
		r := fakegateway.Pending(name, "cost-bot", "delete", "k8s://prod/"+name, "idle", time.Now().Add(-40*time.Second))
		r.Status.Phase = phase
		if condition != "" {
			meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
				Type: condition, Status: status, Reason: "Test", LastTransitionTime: metav1.NewTime(time.Now().Add(-30 * time.Second)),
			})
		}
		s.gateway.Put(r)
	}
	put("lock", v1alpha1.PhasePending, v1alpha1.ConditionLockAcquired, metav1.ConditionFalse)
	put("start", v1alpha1.PhaseApproved, v1alpha1.ConditionApproved, metav1.ConditionTrue)
	put("grade", v1alpha1.PhaseAwaitingVerdict, "", "")
}

// What the screen says about time is true at every moment, though there is no clock that ticks.
func TestScreenFollowsTime(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*screen){
		"queue":    func(*screen) {},
		"all":      func(s *screen) { s.Press("6") },
		"expiring": func(s *screen) { s.Press("2") },
		"form":     func(s *screen) { s.Press("6", "n", "d") },
		"whole":    func(s *screen) { s.Press("enter") },
		"audit":    func(s *screen) { s.Press("A") },
		"away":     func(s *screen) { s.gateway.SetDown(true) },
	} {
		t.Run(name, func(t *testing.T) {
			hold := func(o *Options) { o.Hold = 3 * time.Second }
			onScreen(t, 120, 24, 6, plain(), hold, func(s *screen) {
				ending(s)
				s.Wait(2 * time.Second)
				do(s)
				for range 1500 {
					s.Wait(250 * time.Millisecond)
					shown := s.root.View()
					s.Start(s.root.passTime())
					if now := s.root.View(); now != shown {
						t.Fatalf("at %s the screen shows\n%s\nand should show\n%s", time.Now().Format(time.TimeOnly), shown, now)
					}
				}
			})
		})
	}
}

// Nothing happens in the program while nothing happens outside: in an hour, the minutes of the clock and the hours of
// the ages pass.
func TestNothingTicks(t *testing.T) {
	quiet := func(o *Options) { o.Policies, o.TokenExpiry = nil, nil }
	onScreen(t, 120, 40, 0, plain(), quiet, func(s *screen) {
		for _, r := range fakegateway.Sample(100, 1, time.Now().Add(-2*time.Hour)) {
			s.gateway.Put(r)
		}
		s.Wait(time.Minute)
		before := s.updates
		s.Wait(time.Hour)
		const rows = 40
		if n := s.updates - before; n < 60 || n > 60+rows {
			t.Errorf("%d messages in an hour, expected one a minute and one for each row on the screen at most", n)
		}
	})
}
