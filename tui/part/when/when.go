// Package when writes how long ago something was and how much time is left, and says until when those words hold: a
// screen is drawn again when it would say something else, and not by a clock.
package when

import (
	"fmt"
	"time"
)

// most is the largest number that is written.
const most = 999

// coarse writes a duration in its largest unit, in at most four columns: 12s, 4m, 3h, 12d.
func coarse(d time.Duration) (words string, unit time.Duration) {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second), time.Second
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute), time.Minute
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour), time.Hour
	default:
		const day = 24 * time.Hour
		return fmt.Sprintf("%dd", min(d/day, most)), day
	}
}

// Ago writes how long ago t was: 12s, 4m, 3h, 12d. It is empty, and holds for ever, while one of the times is not known.
func Ago(t, now time.Time) (words string, until time.Time) {
	if now.IsZero() || t.IsZero() {
		return "", time.Time{}
	}
	d := max(now.Sub(t), 0)
	words, unit := coarse(d)
	return words, t.Add(d.Truncate(unit) + unit)
}

// Left writes how much time is left until at, as Ago does. When there is none, it is 0s for ever.
func Left(at, now time.Time) (words string, until time.Time) {
	d := max(at.Sub(now), 0)
	words, unit := coarse(d)
	return words, below(at, d, unit)
}

// Countdown writes how much time is left until at, to the second within the hour and in at most five columns: 0:41,
// 12:07, 3h, 6d. When there is none, it is 0:00 for ever.
func Countdown(at, now time.Time) (words string, until time.Time) {
	d := max(at.Sub(now), 0)
	if d >= time.Hour {
		words, unit := coarse(d)
		return words, below(at, d, unit)
	}
	return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second), below(at, d, time.Second)
}

// below returns when less than the whole units of d are left until at.
func below(at time.Time, d, unit time.Duration) time.Time {
	if d < unit {
		return time.Time{}
	}
	return at.Add(-d.Truncate(unit)).Add(1)
}

// Earliest returns the first of the times that are not zero; zero when all are.
func Earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
