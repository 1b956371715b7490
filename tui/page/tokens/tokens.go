// Package tokens is the page about a token: whether the gateway takes it, why not and what helps, and every claim in
// words. The token is pasted, or minted for a client of the environment; it is never shown.
package tokens

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Report is what became of a token.
type Report struct {
	Accepted bool
	// Answer is what the gateway answers to it.
	Answer string
	// Rows are the gateway's checks in its order, up to the first refusal.
	Rows []check.Result
	// Claims are what it says of itself, which is verified only if it was accepted.
	Claims []token.Claim
}

// Source explains tokens.
type Source interface {
	// Clients are those for which tokens can be minted.
	Clients() []string
	// Why explains a token that was pasted, or a new one of a client when raw is empty.
	Why(ctx context.Context, raw, client string) (Report, error)
}

// pasteLimit is how many characters of a paste are taken: more than any header holds.
const pasteLimit = 1 << 16

// Page is the page.
type Page struct {
	*browse.Page
	look   theme.Theme
	source Source
	width  int

	// client is whose token is shown; empty when it was pasted.
	client string
}

// New returns the page, which begins with a token of the client.
func New(look theme.Theme, source Source, client string, do page.Do) *Page {
	bind := func(shown, does string, names ...string) key.Binding {
		return key.NewBinding(key.WithKeys(names...), key.WithHelp(shown, does))
	}
	p := &Page{look: look, source: source, client: client}
	p.Page = browse.New(browse.Options{
		Title: "Token", Look: look, Do: do, Empty: "no token",
		Columns: []browse.Column{{Title: "WHAT", Width: 18}, {Title: "FOUND"}},
		Load:    p.explain(client, ""),
		Actions: []browse.Action{
			{Key: bind("p", "paste a token", "p"), Do: func(tea.KeyMsg, *browse.Row) (browse.Question, tea.Cmd) { return newPaste(p), nil }},
			{Key: bind("1-9", "token of a client", "1", "2", "3", "4", "5", "6", "7", "8", "9"), Each: p.each, Do: p.mint},
		},
	})
	return p
}

// explain returns what reads the explanation of a token of a client, or of one that was pasted.
func (p *Page) explain(client, raw string) func(context.Context) ([]browse.Row, error) {
	return func(ctx context.Context) ([]browse.Row, error) { return Rows(ctx, p.look, p.source, client, raw) }
}

// Rows explains a new token of a client or, when raw is not empty, that one.
func Rows(ctx context.Context, look theme.Theme, source Source, client, raw string) ([]browse.Row, error) {
	report, err := source.Why(ctx, raw, client)
	if err != nil {
		return nil, fmt.Errorf("explain the token: %w", err)
	}
	return rows(look, report), nil
}

// show explains another token from now on.
func (p *Page) show(client, raw string) tea.Cmd {
	p.client, p.Load = client, p.explain(client, raw)
	return p.Init()
}

// Resize implements page.Page.
func (p *Page) Resize(width, height int) {
	p.width = width
	p.Page.Resize(width, height)
}

// each says what the number keys do.
func (p *Page) each() []string {
	words := slices.Clone(p.source.Clients())
	for i, id := range words {
		words[i] = "token of " + id
	}
	return words
}

// mint explains a token of the client with the number of the key.
func (p *Page) mint(msg tea.KeyMsg, _ *browse.Row) (browse.Question, tea.Cmd) {
	if n := int(msg.Runes[0] - '1'); n < len(p.source.Clients()) {
		return nil, p.show(p.source.Clients()[n], "")
	}
	return nil, nil
}

// paste asks for a token. What is pasted is counted and not shown.
type paste struct {
	page         *Page
	line         prompt.Prompt
	send, cancel key.Binding
}

func newPaste(p *Page) *paste {
	return &paste{
		page: p, line: prompt.New(p.look, pasteLimit),
		send:   key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "explain it")),
		cancel: key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "back")),
	}
}

// Update implements browse.Question.
func (q *paste) Update(msg tea.KeyMsg) (over bool, cmd tea.Cmd) {
	switch {
	case key.Matches(msg, q.cancel):
		return true, nil
	case key.Matches(msg, q.send):
		return true, q.page.show("", q.line.Value())
	default:
		return false, q.line.Update(msg)
	}
}

// Keys implements browse.Question.
func (q *paste) Keys() []page.Key { return []page.Key{{Binding: q.send}, {Binding: q.cancel}} }

// Lines implements browse.Question.
func (q *paste) Lines(width int) []string {
	n := len([]rune(q.line.Value()))
	words := " paste the token, or the whole Authorization header"
	if n > 0 {
		words = fmt.Sprintf(" %d characters, not shown", n)
	}
	if q.line.Full() {
		words += "; that is too long for a token"
	}
	return []string{"", text.Cut(words, width, q.page.look.Cut), " enter explain it   esc back"}
}

// View implements page.Page: the page of browse with the clients in its last line.
func (p *Page) View() string {
	var b strings.Builder
	b.WriteString("  ")
	for i, id := range p.source.Clients() {
		if i == len("123456789") {
			break
		}
		style := p.look.Dim
		if id == p.client {
			style = p.look.Accent
		}
		b.WriteString("  " + style.Render(fmt.Sprintf("%d %s", i+1, clean(p.look, id))))
	}
	lines := strings.Split(p.Page.View(), "\n")
	lines[0] = text.Cut(lines[0]+b.String(), p.width, p.look.Cut)
	return strings.Join(lines, "\n")
}

func rows(look theme.Theme, r Report) []browse.Row {
	verdict, level := look.Approved+" the gateway takes it", page.Good
	if !r.Accepted {
		verdict, level = look.Denied+" refused", page.Alert
	}
	detail := []browse.Line{{Title: verdict}}
	if r.Answer != "" {
		detail = append(detail, browse.Line{Name: "answer", Value: r.Answer})
	}
	out := []browse.Row{{ID: "verdict", Level: level, Cells: []string{"gateway", strings.TrimSpace(verdict + " " + r.Answer)}, Detail: detail}}
	for _, c := range r.Rows {
		out = append(out, checked(look, c))
	}
	mark := "not verified"
	if r.Accepted {
		mark = "verified by the gateway"
	}
	for _, c := range r.Claims {
		out = append(out, browse.Row{
			ID: "claim " + c.Name, Cells: []string{c.Name, c.Value},
			Detail: []browse.Line{{Title: c.Name + "  " + c.Says}, {Name: "value", Value: c.Value}, {Name: "is", Value: mark}},
		})
	}
	return out
}

// checked is the row of one check.
func checked(look theme.Theme, c check.Result) browse.Row {
	sign, level := browse.Verdict(look, c.Verdict)
	said := c.Reason
	if said == "" {
		said = c.Question
	}
	detail := []browse.Line{{Title: c.ID + "  " + c.Question}, {Name: "says", Value: said}}
	for _, l := range []browse.Line{{Name: "expected", Value: c.Expected}, {Name: "found", Value: c.Found}, {Name: "fix", Value: c.Fix.Command}} {
		if l.Value != "" {
			detail = append(detail, l)
		}
	}
	return browse.Row{ID: c.ID, Level: level, Cells: []string{sign + " " + c.ID, said}, Detail: detail}
}

func clean(look theme.Theme, s string) string {
	if look.ASCII {
		return safetext.ASCII(s)
	}
	return safetext.ID(s)
}
