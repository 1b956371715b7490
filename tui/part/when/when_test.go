package when_test

import (
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/tui/part/when"
)

func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

func TestAgo(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59 * time.Minute: "59m",
		time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 20_000 * time.Hour: "833d", 90_000 * time.Hour: "999d",
	} {
		if got, _ := when.Ago(noon().Add(-ago), noon()); got != want {
			t.Errorf("%s ago: %q, want %q", ago, got, want)
		}
	}
	if got, until := when.Ago(noon(), time.Time{}); got != "" || !until.IsZero() {
		t.Errorf("no time known: %q until %s", got, until)
	}
}

func TestCountdown(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]string{
		-time.Second: "0:00", 41 * time.Second: "0:41", 59*time.Minute + 59*time.Second: "59:59", time.Hour: "1h", 49 * time.Hour: "2d",
	} {
		if got, _ := when.Countdown(noon().Add(left), noon()); got != want {
			t.Errorf("%s: %q, want %q", left, got, want)
		}
	}
	if got, _ := when.Left(noon().Add(4*time.Minute+57*time.Second), noon()); got != "4m" {
		t.Errorf("found %q, expected whole minutes", got)
	}
}

// The words hold until the moment that comes with them, and not a moment longer.
func TestWordsHoldUntilTheyChange(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]func(at, now time.Time) (string, time.Time){
		"ago":       when.Ago,
		"left":      func(at, now time.Time) (string, time.Time) { return when.Left(at.Add(100*time.Hour), now) },
		"countdown": func(at, now time.Time) (string, time.Time) { return when.Countdown(at.Add(100*time.Hour), now) },
	} {
		for _, gone := range []time.Duration{
			0, 1, time.Second - 1, time.Second, 59*time.Second + 1, time.Minute, 61 * time.Minute, 30 * time.Hour, 99*time.Hour + 30*time.Minute,
			100*time.Hour - 41*time.Second, 100*time.Hour - 41*time.Second + 1, 100*time.Hour - time.Second,
		} {
			now := noon().Add(gone)
			said, until := words(noon(), now)
			if !until.After(now) {
				t.Errorf("%s after %s: %q holds until %s, which is past", name, gone, said, until)
			}
			if last, _ := words(noon(), until.Add(-1)); last != said {
				t.Errorf("%s after %s: %q is %q before its end", name, gone, said, last)
			}
			if next, _ := words(noon(), until); next == said {
				t.Errorf("%s after %s: still %q at its end", name, gone, next)
			}
		}
	}
	for _, left := range []time.Duration{-time.Hour, 0, time.Second - 1} {
		if said, until := when.Countdown(noon().Add(left), noon()); said != "0:00" || !until.IsZero() {
			t.Errorf("%s left: %q until %s, expected 0:00 for ever", left, said, until)
		}
	}
}

func TestEarliest(t *testing.T) {
	t.Parallel()
	if got := when.Earliest(time.Time{}, noon().Add(1), noon()); !got.Equal(noon()) {
		t.Errorf("found %s", got)
	}
	if !when.Earliest(time.Time{}).IsZero() {
		t.Error("found something among nothing")
	}
}
