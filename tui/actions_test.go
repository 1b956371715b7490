package tui

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/part/osc"
	"github.com/aip-dev/aip-dev/tui/theme"
)

func TestPalette(t *testing.T) {
	onScreen(t, 100, 30, 3, plain(), nil, func(s *screen) {
		s.Press(":")
		s.wants("What to do")
		s.Type("deny")
		s.Press("enter")
		s.wants("reason, the agent reads this")
		s.Press("esc", ":")
		s.wants("▌ d           deny") // chosen before, so it comes first
		s.Type("no such thing")
		s.Press("enter", "esc")
		if len(s.root.stack) != 1 || s.gateway.Calls() != 0 {
			t.Error("the palette did something else")
		}
	})
}

func TestCopy(t *testing.T) {
	var out bytes.Buffer
	onScreen(t, 100, 30, 1, plain(), func(o *Options) {
		o.Out, o.URL = &out, "http://localhost:8080"
	}, func(s *screen) {
		s.root.osc = osc.Env{}
		for key, want := range map[string]string{
			"n": "idle-reaper-x7k2m", "t": "k8s://prod/default/deployment/payment-api", "y": "agentIdentity: idle-reaper",
			"h": `-H "Authorization: Bearer $(aip-dev token aip-reviewer-1)"`, "j": `"agentIdentity": "idle-reaper"`, "k": "kubectl get agentrequest -n default idle-reaper-x7k2m -o yaml",
			"c": `curl -H "Authorization: Bearer $(aip-dev token aip-reviewer-1)" 'http://localhost:8080/agent-requests/idle-reaper-x7k2m?namespace=default'`,
		} {
			out.Reset()
			s.Press("y", key)
			s.Wait(time.Second)
			_, encoded, _ := strings.Cut(out.String(), "\x1b]52;c;")
			text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, "\x07"))
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("y %s: %q, %v", key, text, err)
			}
		}
		s.wants("copied the ")
	})
}

// Other keys are in force, in the footer and in the help; what they were for before is gone.
func TestOtherKeys(t *testing.T) {
	onScreen(t, 120, 40, 3, plain(), func(o *Options) {
		o.Keys = map[string]string{"deny": "x ctrl+x", "quit": "Q"}
		o.Tabs = []queue.Tab{{Name: "Bots", Filter: "agent:bot"}}
	}, func(s *screen) {
		s.wants("x deny")
		s.wants("Bots")
		s.Press("d")
		if s.root.prompt() != nil {
			t.Error("the old key still denies")
		}
		s.Press("x")
		s.wants("reason, the agent reads this")
		s.Press("esc", "?")
		s.wants("also ctrl-x")
		s.Press("esc", "q", "Q")
		if !s.Quit() {
			t.Error("Q does not quit")
		}
	})
	for words, names := range map[string]string{"approve": "enter", "no such action": "z", "deny": "nokey"} {
		if _, _, err := build(t.Context(), Options{Gateway: fakegateway.New(time.Now, "x"), Now: time.Now, Keys: map[string]string{words: names}}, theme.New(plain())); err == nil {
			t.Errorf("%s: %s was taken", words, names)
		}
	}
}

func TestShapes(t *testing.T) {
	onScreen(t, 120, 40, 6, plain(), nil, func(s *screen) {
		for _, want := range []string{"YAML  ", "JSON  ", "this agent asked for nothing before", "WHY IT WAITS"} {
			s.Press("o")
			s.wants(want)
		}
	})
}
