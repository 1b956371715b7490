package tui

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/muesli/termenv"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/audit"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// FuzzHostileAgent: hole: what agents write is shown on a reviewer's terminal. Attack: any bytes in any of their fields.
// Proof: whatever page and form they are shown in, no control byte and nothing that reorders or hides text gets out,
// and no line is wider than the screen.
func FuzzHostileAgent(f *testing.F) {
	evil := "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b\r\n\x00"
	f.Add("agent", "delete", "k8s://prod/x", "because", []byte(`{"a":1}`))
	f.Add("agent"+evil, "delete"+evil, "k8s://x"+evil, strings.Repeat(evil, 20), []byte(`{"`+"\u202e"+`":"\u001b[2J"}`))
	f.Add("日本\u0301", "d\u0430lete", "k8s://"+strings.Repeat("x/", 300), "👩‍👩‍👧‍👦\xff\xfe", []byte(strings.Repeat("[", 400)))
	f.Fuzz(func(t *testing.T, agent, action, target, reason string, parameters []byte) {
		now := time.Unix(1_700_000_000, 0).UTC()
		g := fakegateway.New(func() time.Time { return now }, "aip-reviewer-1", "reviewer")
		r := fakegateway.Pending("one", agent, action, target, reason, now.Add(-time.Minute))
		r.ResourceVersion = "1"
		r.Spec.Parameters = &apiextensionsv1.JSON{Raw: parameters}
		r.Status.Conditions[2].Message += reason
		program, _, err := build(t.Context(), Options{Gateway: g, Now: func() time.Time { return now }}, theme.New(theme.Options{Profile: termenv.Ascii}))
		if err != nil {
			t.Fatal(err)
		}
		who, err := g.Whoami(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		program.Update(tea.WindowSizeMsg{Width: 100, Height: 24})
		program.Update(feed.Snapshot{Items: []feed.Item{{AgentRequest: r}}, Revision: 1, Complete: true, Mode: feed.Live, Who: &who})
		for _, key := range []string{"", "enter", "J", "esc", "o", "o", "o", "o", " ", "d", "esc", "y", "esc", ":", "esc", "/", "x", "esc", "?"} {
			if key != "" {
				program.Update(drive.Key(key))
			}
			harmless(t, key, program.View(), 100)
		}
		g.Put(r)
		records, err := g.AuditRecords(t.Context(), client.AuditOptions{})
		if err != nil {
			t.Fatal(err)
		}
		trail := audit.New(theme.New(theme.Options{Profile: termenv.Ascii}), g, func(call func(context.Context) tea.Msg) tea.Cmd {
			return func() tea.Msg { return call(t.Context()) }
		}, time.UTC)
		trail.Resize(100, 24)
		trail.Update(trail.Init()())
		harmless(t, "audit", trail.View(), 100)
		if len(records) == 0 {
			t.Error("there is no trail")
		}
	})
}

// harmless checks what would go to the terminal.
func harmless(t *testing.T, where, view string, width int) {
	t.Helper()
	for _, l := range strings.Split(view, "\n") {
		if text.Width(l) > width {
			t.Fatalf("%q: %d columns in %q", where, text.Width(l), l)
		}
	}
	if strings.ContainsFunc(view, func(r rune) bool {
		return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0xfeff
	}) {
		t.Fatalf("%q: %q", where, view)
	}
}
