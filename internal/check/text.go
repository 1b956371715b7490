package check

import (
	"fmt"
	"strings"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

// Sign returns what stands before a result in a text for people.
func Sign(v Verdict) string {
	switch v {
	case Pass:
		return "✓"
	case Warn:
		return "!"
	case Skip:
		return "·"
	default:
		return "✗"
	}
}

// Text lays results out for people, one line each and, below a failure, what was expected, what was found, and the command
// that mends it. Groups are set apart. Texts that come from elsewhere are made harmless for a terminal.
func Text(results []Result) string {
	width := 0
	for _, r := range results {
		width = max(width, len(r.ID))
	}
	var b strings.Builder
	group := ""
	for i, r := range results {
		if r.Group != group {
			if group = r.Group; i > 0 {
				b.WriteByte('\n')
			}
		}
		reason := r.Reason
		if reason == "" {
			reason = r.Question
		}
		fmt.Fprintf(&b, "  %s %-*s  %s\n", Sign(r.Verdict), width, r.ID, safetext.Line(reason))
		if r.Verdict != Warn && !r.Bad() {
			continue
		}
		for _, row := range [][2]string{{"expected", r.Expected}, {"found", r.Found}, {"fix", r.Fix.Command}} {
			if row[1] != "" {
				fmt.Fprintf(&b, "    %-*s  %-8s  %s\n", width, "", row[0], safetext.Line(row[1]))
			}
		}
	}
	return b.String()
}
