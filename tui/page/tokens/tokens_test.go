package tokens_test

import (
	"context"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// desk explains tokens by what they begin with.
type desk struct{ asked []string }

func (*desk) Clients() []string { return []string{"aip-agent-1", "aip-reviewer-1"} }

func (d *desk) Why(_ context.Context, raw, client string) (tokens.Report, error) {
	d.asked = append(d.asked, client+raw)
	if client != "" {
		return tokens.Report{Accepted: true, Answer: "200", Claims: []token.Claim{{Name: "azp", Value: client + "\x1b[2J", Says: "the client"}}}, nil
	}
	return tokens.Report{Answer: "401 invalid token", Rows: []check.Result{
		{ID: "T09", Question: "audience", Answer: check.Differ(check.Fix{Command: "aip-dev agent add x"}, "aip-gateway", "account", "the audience is wrong")},
	}}, nil
}

func TestPage(t *testing.T) {
	t.Parallel()
	d := &desk{}
	p := tokens.New(theme.New(theme.Options{Profile: termenv.Ascii}), d, "aip-agent-1", func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(context.Background()) }
	})
	p.Resize(100, 20)
	run := func(cmd tea.Cmd) {
		if cmd != nil {
			p.Update(cmd())
		}
	}
	run(p.Init())
	if view := p.View(); !strings.Contains(view, "the gateway takes it") || strings.ContainsRune(view, 0x1b) {
		t.Errorf("minted: %q", view)
	}
	run(p.Update(drive.Key("2")))
	run(p.Update(drive.Key("p")))
	secret := "eyJ-secret-part"
	p.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(secret + strings.Repeat("x", 1<<20)), Paste: true})
	if asks := strings.Join(p.Prompt(), "\n"); strings.Contains(asks, "secret") || !strings.Contains(asks, "too long") {
		t.Errorf("prompt %q", asks)
	}
	run(p.Update(drive.Key("enter")))
	for _, down := range []string{"j"} {
		p.Update(drive.Key(down))
	}
	view := p.View()
	for _, want := range []string{"refused", "T09", "expected", "aip-gateway", "account", "aip-dev agent add x"} {
		if !strings.Contains(view, want) {
			t.Errorf("no %q in\n%s", want, view)
		}
	}
	if strings.Contains(view, "secret") || len(d.asked) != 3 || d.asked[1] != "aip-reviewer-1" {
		t.Errorf("asked %d times", len(d.asked))
	}
}
