package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/environment"
)

// TestPages looks at every page that can be opened from everywhere, in all sizes.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 15}, {80, 24}, {120, 40}} {
		for key, name := range map[string]string{"A": "audit", "P": "policies", "I": "agents", "E": "environment", ":": "palette"} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				onScreen(t, size[0], size[1], 6, plain(), func(o *Options) {
					o.Identities = []agents.Identity{{ID: "aip-reviewer-1", Role: "reviewer"}, {ID: "cost-bot", Role: "agent"}}
					o.Environs = func(context.Context) ([]environment.Item, error) {
						return []environment.Item{
							{Kind: "health", Name: "gateway", Text: "chart aip-k8s 0.1.0"},
							{Kind: "health", Name: "identity", Text: "realm aip is not there", Bad: true, Fix: "aip-dev doctor --fix"},
							{Kind: "log", Name: "gateway", Text: "last", Whole: "first\n\x1b[2Jlast"},
						}, nil
					}
				}, func(s *screen) {
					s.Press(key)
					s.Wait(time.Second)
					s.Press("down")
					s.golden()
					if strings.ContainsRune(s.root.View(), 0x1b) {
						t.Error("a control byte reached the screen")
					}
					s.Press("esc")
					if len(s.root.stack) != 1 {
						t.Error("esc does not lead back")
					}
				})
			})
		}
	}
}

// From one page the others are one key away, and pages do not pile up.
func TestPagesDoNotPileUp(t *testing.T) {
	onScreen(t, 80, 24, 3, plain(), nil, func(s *screen) {
		s.Press("A", "P", "I", "A")
		if len(s.root.stack) != 2 {
			t.Errorf("%d pages on the stack", len(s.root.stack))
		}
		s.Press("q")
		if s.Quit() || len(s.root.stack) != 1 {
			t.Error("q does not lead back to the queue")
		}
	})
}
