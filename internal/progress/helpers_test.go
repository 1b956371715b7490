package progress

import (
	"bytes"
	"strings"
	"time"

	"github.com/hinshun/vt10x"
)

// began is when every run of these tests begins.
func began() time.Time { return time.Date(2026, 3, 1, 14, 32, 0, 0, time.UTC) }

// at returns an event that happens ms milliseconds after the run began.
func at(ms int, kind Kind, step, text string) Event {
	return Event{V: Version, At: began().Add(time.Duration(ms) * time.Millisecond), Run: "r1", Step: step, Kind: kind, Text: text}
}

// took is at for the end of a step; the text of a failed one is its failure.
func took(ms int, kind Kind, step, text string, d time.Duration) Event {
	e := at(ms, kind, step, text)
	e.Took = d
	if kind == Failed {
		e.Text, e.Failure = "", text
	}
	return e
}

// names is the plan of the runs below.
const names = "preflight\ncluster\nresources\nidentity\ngateway\npolicies\nproof"

// fine is a run in which everything works and two steps run side by side.
func fine() []Event {
	return []Event{
		at(0, Plan, "", names),
		at(0, Started, "preflight", ""),
		took(200, Done, "preflight", "14 checks", 200*time.Millisecond),
		at(200, Started, "cluster", ""),
		at(210, Warning, "cluster", "gateway: port 8080 is taken by python3 (process 4711); 8081 is used instead"),
		at(220, Note, "cluster", "starting kube-apiserver and etcd"),
		took(1500, Done, "cluster", "kube-apiserver v1.37.2", 1300*time.Millisecond),
		at(1500, Started, "resources", ""),
		at(1500, Started, "identity", ""),
		at(1550, Note, "identity", "provider: applying its manifest"),
		at(1600, Output, "identity", "klog: one line of chatter"),
		took(1600, Done, "resources", "4 kinds", 100*time.Millisecond),
		at(2600, Note, "identity", "realm aip: client aip-reviewer-1"),
		took(4300, Done, "identity", "realm aip, 3 clients", 2800*time.Millisecond),
		at(4300, Started, "gateway", ""),
		at(4310, Note, "gateway", "chart aip-k8s: installing"),
	}
}

// broken ends fine with a gateway that does not start.
func broken() []Event {
	return append(fine(),
		took(24300, Failed, "gateway", "not available after 20s: OIDC setup failed: oidc provider: 404 Not Found:\n{\"error\":\"Realm does not exist\"}", 20*time.Second),
		at(24300, End, "", "failed"))
}

// proven ends fine as it should.
func proven() []Event {
	return append(fine(),
		took(5200, Done, "gateway", "chart aip-k8s 0.1.0", 900*time.Millisecond),
		at(5200, Started, "policies", ""),
		took(5300, Done, "policies", "2 sample policies", 100*time.Millisecond),
		at(5300, Started, "proof", ""),
		took(5400, Done, "proof", "token → gateway → request → decision", 100*time.Millisecond),
		took(5400, End, "", "", 5400*time.Millisecond))
}

// terminal is a terminal of a size that remembers all that was written to it.
type terminal struct {
	vt            vt10x.Terminal
	raw           bytes.Buffer
	width, height int
}

func newTerminal(width, height int) *terminal {
	return &terminal{vt: vt10x.New(vt10x.WithSize(width, height)), width: width, height: height}
}

// Write does what the line discipline of a terminal does: a line feed returns the carriage.
func (t *terminal) Write(p []byte) (int, error) {
	t.raw.Write(p)
	if _, err := t.vt.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (t *terminal) size() (width, height int) { return t.width, t.height }

// resize makes the terminal another size.
func (t *terminal) resize(width, height int) {
	t.width, t.height = width, height
	t.vt.Resize(width, height)
}

// screen is what a person sees, without empty ends.
func (t *terminal) screen() string {
	t.vt.Lock()
	defer t.vt.Unlock()
	var lines []string
	for y := range t.height {
		var b strings.Builder
		for x := range t.width {
			if r := t.vt.Cell(x, y).Char; r != 0 {
				b.WriteRune(r)
			} else {
				b.WriteByte(' ')
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// clockAt returns a clock that stands ms milliseconds after the run began.
func clockAt(ms int) func() time.Time {
	return func() time.Time { return began().Add(time.Duration(ms) * time.Millisecond) }
}
