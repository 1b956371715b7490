package progress

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/exp/golden"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]Event{"done": proven(), "failed": broken()} {
		for _, verbose := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s verbose=%t", name, verbose), func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				p := newPlain(&b, Options{Now: clockAt(0), Title: "aip-dev up", Verbose: verbose})
				for _, e := range events {
					p.Emit(e)
				}
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				golden.RequireEqual(t, b.Bytes())
			})
		}
	}
}

// A step that hangs says what it waits for, once, though no event comes any more.
func TestPlainSpeaksWhenNothingHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := NewPlain(&b, Options{Now: time.Now})
		p.Emit(Event{At: time.Now(), Kind: Started, Step: "gateway"})
		p.Emit(Event{At: time.Now(), Kind: Note, Step: "gateway", Text: "rolling out"})
		<-time.After(700 * time.Millisecond)
		synctest.Wait()
		if b.Len() != 0 {
			t.Errorf("after 0.7 s: %q, expected nothing yet", b.String())
		}
		<-time.After(20 * time.Second)
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if want := "gateway      running  rolling out  1.0s\n"; b.String() != want {
			t.Errorf("got %q, expected %q", b.String(), want)
		}
	})
}

func TestPlainWritesNoControlsOfTexts(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[2Jb\x07\u202ec"
	var b bytes.Buffer
	p := newPlain(&b, Options{Now: clockAt(0), Title: evil, Verbose: true})
	for _, e := range []Event{
		at(0, Plan, "", evil), at(0, Started, evil, ""), at(1, Note, evil, evil), at(3000, Note, evil, evil+"2"),
		at(3000, Warning, evil, evil), at(3000, Output, evil, evil), took(4000, Failed, evil, evil, 1),
	} {
		p.Emit(e)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") || strings.Count(b.String(), "\n") != 7 {
		t.Errorf("got %q", b.String())
	}
}

func TestJSONIsTheEvents(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	j := NewJSON(&b)
	want := proven()
	for _, e := range want {
		j.Emit(e)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Emit(want[0])
	var n int
	for lines := bufio.NewScanner(&b); lines.Scan(); n++ {
		var got Event
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if got != want[n] {
			t.Errorf("line %d: got %+v, expected %+v", n, got, want[n])
		}
	}
	if n != len(want) {
		t.Errorf("%d lines, expected %d", n, len(want))
	}
}

// Events of steps that run side by side come from several goroutines: each stays whole, and none is lost.
func TestRenderersTakeEventsFromSeveralGoroutines(t *testing.T) {
	t.Parallel()
	var events, lines bytes.Buffer
	term := newTerminal(80, 24)
	j, p, l := NewJSON(&events), NewPlain(&lines, Options{Now: time.Now}), NewLive(term, Options{Now: time.Now, Size: term.size})
	all := Tee(j, p, l)
	const writers, each = 8, 50
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			step := fmt.Sprintf("step-%d", w)
			all.Emit(at(0, Started, step, ""))
			for i := range each {
				all.Emit(at(i, Warning, step, fmt.Sprintf("warning %d of %s", i, step)))
			}
			all.Emit(took(each, Done, step, "", 1))
		})
	}
	group.Wait()
	for _, r := range []Renderer{j, p, l} {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Count(events.String(), "\n"), writers*(each+2); got != want {
		t.Errorf("%d lines of JSON, expected %d", got, want)
	}
	for w := range writers {
		if got := strings.Count(lines.String(), fmt.Sprintf("of step-%d\n", w)); got != each {
			t.Errorf("step-%d: %d warnings, expected %d", w, got, each)
		}
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 40 * time.Millisecond: "0.0s", 240 * time.Millisecond: "0.2s", 9940 * time.Millisecond: "9.9s",
		9960 * time.Millisecond: "10s", 20 * time.Second: "20s", 59400 * time.Millisecond: "59s", 59600 * time.Millisecond: "1m00s",
		64 * time.Second: "1m04s", 3599*time.Second + 600*time.Millisecond: "1h00m", 2*time.Hour + 13*time.Minute + 10*time.Second: "2h13m",
	} {
		if got := Took(d); got != want {
			t.Errorf("Took(%s) = %s, expected %s", d, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"kube-apiserver v1.37.2, etcd 3.7.3", 24, "kube-apiserver v1.37.2,…"},
		{"realm aip: client aip-reviewer-1", 20, "realm aip: client…"},
		{"averyverylongwordwithoutspaces", 10, "averyvery…"},
		{"日本語の長い文字列", 7, "日本語…"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
	} {
		if got := cut(c.text, c.width, "…"); got != c.want {
			t.Errorf("cut(%q, %d) = %q, expected %q", c.text, c.width, got, c.want)
		}
	}
}

func TestWhatTheEnvironmentWants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env         string
		live, color bool
	}{
		{"TERM=xterm", true, true},
		{"TERM=xterm NO_COLOR=1", true, false},
		{"TERM=xterm CLICOLOR=0", true, false},
		{"TERM=dumb", false, false},
		{"", false, false},
	} {
		getenv := func(key string) string {
			for pair := range strings.FieldsSeq(c.env) {
				if k, v, _ := strings.Cut(pair, "="); k == key {
					return v
				}
			}
			return ""
		}
		if live, color := LiveWanted(getenv), ColorWanted(getenv); live != c.live || color != c.color {
			t.Errorf("%q: live %t, color %t", c.env, live, color)
		}
	}
}
