package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// TestPages looks at every page and form, in all sizes, with colours and without.
func TestPages(t *testing.T) {
	t.Parallel()
	looks := map[string]theme.Options{"": plain(), "-colour": {Profile: termenv.ANSI, Background: theme.Dark}}
	for _, size := range [][2]int{{60, 15}, {80, 24}, {120, 40}} {
		for name, open := range map[string][]string{
			"audit": {"A", "down"}, "policies": {"P", "down"}, "agents": {"I", "down"}, "environment": {"E", "down"}, "token": {"T", "down"},
			"palette": {":", "down"}, "help": {"?"}, "request": {"enter"}, "deny": {"d"}, "marked": {" ", "j", " ", "d"}, "copy": {"y"},
			"addagent": {"I", "a"}, "checkpolicy": {"P", "a"}, "command": {"P", "a", "x", "enter"},
		} {
			for looksName, look := range looks {
				t.Run(fmt.Sprintf("%s-%dx%d%s", name, size[0], size[1], looksName), func(t *testing.T) {
					adjust := everything
					if name == "addagent" {
						adjust = asAdmin
					}
					onScreen(t, size[0], size[1], 6, look, adjust, func(s *screen) {
						for _, key := range open {
							s.Press(key)
							s.Wait(time.Second)
						}
						s.Wait(2 * time.Second)
						s.golden()
						if looksName == "" && strings.ContainsRune(s.root.View(), 0x1b) {
							t.Error("a control byte reached the screen")
						}
						s.Press("esc", "esc", "esc")
						if len(s.root.stack) != 1 {
							t.Error("esc does not lead back")
						}
					})
				})
			}
		}
	}
}

// asAdmin is everything as somebody who may change who is there.
func asAdmin(o *Options) {
	everything(o)
	g := fakegateway.New(o.Now, "aip-admin-1", "admin")
	o.Gateway, o.Policies, o.Identity = g, g, "aip-admin-1"
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
