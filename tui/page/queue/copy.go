package queue

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// copies are the things about a request that can be copied, by the key that chooses them.
func (q *Queue) copies() []struct {
	key, what string
	text      func() string
} {
	r := q.cursor.item.AgentRequest
	return []struct {
		key, what string
		text      func() string
	}{
		{"n", "name", func() string { return safetext.ID(r.Name) }},
		{"t", "target", func() string { return safetext.ID(r.Spec.Target.URI) }},
		{"y", "YAML", func() string { s, _ := record.YAML(r); return s }}, // an empty text is refused
		{"j", "JSON", func() string { s, _ := record.JSON(r); return s }},
		{"c", "curl command", q.curl},
		{"h", "header for curl", func() string { return "-H " + q.header() }},
		{"k", "kubectl command", func() string {
			return "kubectl get agentrequest -n " + quoted(r.Namespace) + " " + quoted(r.Name) + " -o yaml"
		}},
	}
}

// curl is a command that asks the gateway for the request.
func (q *Queue) curl() string {
	r := q.cursor.item
	address := strings.TrimSuffix(q.GatewayURL, "/") + "/agent-requests/" + url.PathEscape(r.Name) + "?namespace=" + url.QueryEscape(r.Namespace)
	return "curl -H " + q.header() + " " + quoted(address)
}

// header is the header that tells the gateway who asks. The token is minted when a shell reads this, and never copied.
func (q *Queue) header() string {
	mint := "token"
	if q.Identity != "" {
		mint += " " + quoted(q.Identity)
	}
	return fmt.Sprintf(`"Authorization: Bearer $(%s)"`, q.Command(mint))
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
	for _, c := range q.copies() {
		if msg.String() == c.key {
			copied := page.Copy{What: "the " + c.what, Text: c.text()}
			return func() tea.Msg { return copied }
		}
	}
	return nil
}

// copyLines asks what is to be copied.
func (q *Queue) copyLines() []string {
	lines := []string{" copy "}
	for _, c := range q.copies() {
		choice := "  " + q.Look.Accent.Render(c.key) + " " + c.what
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
