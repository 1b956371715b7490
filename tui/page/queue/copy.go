package queue

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// Copyable is something about a request that can be copied.
type Copyable struct {
	// Key chooses it, What names it.
	Key, What string
	text      func() string
}

// Text is what is copied; it may be empty when the request is unfit to be written down.
func (c Copyable) Text() string { return c.text() }

// Copies are what of a request can be copied.
func (o Options) Copies(r *v1alpha1.AgentRequest) []Copyable {
	return []Copyable{
		{"n", "name", func() string { return safetext.ID(r.Name) }},
		{"t", "target", func() string { return safetext.ID(r.Spec.Target.URI) }},
		{"y", "YAML", func() string { s, _ := record.YAML(r); return s }}, // an empty text is refused
		{"j", "JSON", func() string { s, _ := record.JSON(r); return s }},
		{"c", "curl command", func() string { return o.curl(r) }},
		{"h", "header for curl", func() string { return "-H " + o.header() }},
		{"k", "kubectl command", func() string {
			return "kubectl get agentrequest -n " + quoted(r.Namespace) + " " + quoted(r.Name) + " -o yaml"
		}},
	}
}

// curl is a command that asks the gateway for the request.
func (o Options) curl(r *v1alpha1.AgentRequest) string {
	address := strings.TrimSuffix(o.GatewayURL, "/") + "/agent-requests/" + url.PathEscape(r.Name) + "?namespace=" + url.QueryEscape(r.Namespace)
	return "curl -H " + o.header() + " " + quoted(address)
}

// header is the header that tells the gateway who asks. The token is minted when a shell reads this, and never copied.
func (o Options) header() string {
	mint := "token"
	if o.Identity != "" {
		mint += " " + quoted(o.Identity)
	}
	return fmt.Sprintf(`"Authorization: Bearer $(%s)"`, o.Command(mint))
}

// quoted makes a word for a shell.
func quoted(s string) string {
	s = safetext.ID(s)
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// pressCopy copies what the key chooses. Every other key goes back.
func (q *Queue) pressCopy(msg tea.KeyMsg) tea.Cmd {
	q.copying = false
	for _, c := range q.Copies(q.cursor.item.AgentRequest) {
		if msg.String() == c.Key {
			copied := page.Copy{What: "the " + c.What, Text: c.Text()}
			return func() tea.Msg { return copied }
		}
	}
	return nil
}

// copyLines asks what is to be copied.
func (q *Queue) copyLines() []string {
	lines := []string{" copy "}
	for _, c := range q.Copies(q.cursor.item.AgentRequest) {
		choice := "  " + q.Look.Accent.Render(c.Key) + " " + c.What
		if text.Width(lines[len(lines)-1]+choice) > q.width {
			lines = append(lines, text.Spaces(len(" copy ")))
		}
		lines[len(lines)-1] += choice
	}
	for len(lines) < page.FooterHeight-1 {
		lines = slices.Insert(lines, 0, "")
	}
	return append(lines, " esc back")
}
