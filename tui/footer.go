package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/help"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

// footer draws what the page asks, or else what just happened and the keys.
func (r *root) footer() []string {
	lines := make([]string, 0, page.FooterHeight)
	if asked := r.prompt(); asked != nil {
		lines = append(lines, asked...)
	} else {
		lines = append(lines, r.status()...)
		lines = append(lines, r.keyLines(page.FooterHeight-len(lines))...)
	}
	for len(lines) < page.FooterHeight {
		lines = append(lines, "")
	}
	return lines[:min(len(lines), r.height-headerHeight)]
}

// status says what went wrong, that the gateway is away, or what just happened, in that order; in one line or, where
// that is too short, in two.
func (r *root) status() []string {
	style := r.look.Plain
	words := r.notice.Text
	switch {
	case words != "" && r.notice.Level == page.Alert:
		style = r.look.Alert
	case r.snapshot.Mode == feed.Away:
		words, style = r.banner(), r.look.Alert
	case r.notice.Level == page.Good:
		style = r.look.Good
	}
	if r.look.ASCII {
		words = safetext.ASCII(words)
	}
	lines := text.Wrap(words, r.width-2)
	if len(lines) > page.FooterHeight-1 {
		lines = lines[:page.FooterHeight-1]
		last := &lines[len(lines)-1]
		*last = text.Cut(*last+" "+r.look.Cut, r.width-2, r.look.Cut)
	}
	for i, l := range lines {
		lines[i] = " " + style.Render(l)
	}
	return lines
}

// banner says since when the gateway is away and what follows from that.
func (r *root) banner() string {
	what := r.look.Away + " away since "
	if r.snapshot.Refused {
		what = r.look.Away + " token refused since "
	}
	what += r.snapshot.Since.In(r.now().Location()).Format(time.TimeOnly)
	if r.snapshot.Complete {
		what += ", what you see is from then, decisions are off"
	}
	if !r.snapshot.Refused {
		what += ", see " + r.Command("status")
	}
	return what + ": " + safetext.Line(r.snapshot.Cause)
}

// keyLines draws the keys of the page in n lines, as many as there is room for. The help always is there.
func (r *root) keyLines(n int) []string {
	const gap = "   "
	everywhere := r.always(gap)
	hints := r.hints(r.top().Keys())
	lines := make([]string, n)
	for i := range lines {
		room := r.width - 1
		if i == len(lines)-1 {
			room -= text.Width(everywhere) + len(gap)
		}
		var line string
		for len(hints) > 0 {
			longer := line + hints[0] + gap
			if text.Width(longer)-len(gap) > room {
				if line != "" {
					break
				}
				longer = text.Cut(hints[0], room, r.look.Cut) + gap
			}
			line, hints = longer, hints[1:]
		}
		lines[i] = " " + strings.TrimSuffix(line, gap)
	}
	last := len(lines) - 1
	lines[last] += text.Spaces(r.width-text.Width(lines[last])-text.Width(everywhere)) + everywhere
	return lines
}

// always are the keys that every page has. Pages above the first are left by a key of their own.
func (r *root) always(gap string) string {
	shown := []key.Binding{r.keys.palette, r.keys.help}
	_, brief := r.top().(*help.Help)
	switch {
	case brief:
		return ""
	case r.width < narrow:
		shown = shown[1:]
	case len(r.stack) == 1:
		shown = append(shown, r.keys.quit)
	}
	var words []string
	for _, k := range shown {
		if k.Help().Key != "" {
			words = append(words, r.hint(k.Help().Key, k.Help().Desc))
		}
	}
	return strings.Join(words, gap) + " "
}

// hints writes the keys. Neighbours that are off for the same cause share it.
func (r *root) hints(keys []page.Key) []string {
	var hints []string
	for i := 0; i < len(keys); i++ {
		k := keys[i]
		if k.Help().Key == "" {
			continue // it has a name only
		}
		if k.Off == "" {
			hints = append(hints, r.hint(k.Help().Key, k.Help().Desc))
			continue
		}
		words := k.Help().Key + " " + k.Help().Desc
		for i+1 < len(keys) && keys[i+1].Off == k.Off {
			i++
			words += ", " + keys[i].Help().Key + " " + keys[i].Help().Desc
		}
		hints = append(hints, r.look.Dim.Render(words+": ")+r.look.Soon.Render(k.Off))
	}
	return hints
}

// narrow is the width below which the footer names one key only that works everywhere: the help, which has them all.
const narrow = 70

func (r *root) hint(key, does string) string { return r.look.Accent.Render(key) + " " + does }
