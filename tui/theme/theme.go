// Package theme holds how the terminal queue looks: one value with its colours and signs, made once by the root and
// handed to every page.
package theme

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Options says what the terminal can do and the user wants.
type Options struct {
	// Profile is how many colours the terminal has. termenv.Ascii allows no attribute at all; 0 is true colour.
	Profile termenv.Profile
	// Background is what the colours must be read on.
	Background Background
	// NoColor keeps bold and reverse but no colour: https://no-color.org.
	NoColor bool
	// ASCII draws signs, rules and all text with ASCII only.
	ASCII bool
}

// Theme is the looks. Colour never is the only mark of a state: Signs stand beside it.
type Theme struct {
	Signs

	// Title is for headings, Dim for what matters less, Accent for what can be acted on, Alert for what needs someone
	// now, Soon for what will, Good for what went well.
	Title, Dim, Accent, Alert, Soon, Good lipgloss.Style
	// Selected is the row under the cursor, Plain is text without attributes.
	Selected, Plain lipgloss.Style
	// ASCII says that all text must be drawn in ASCII.
	ASCII bool
	// Bare says that the terminal shows no attributes, so that nothing may depend on them.
	Bare bool
}

// New returns the theme for these options. All colours are of the 16 that every terminal lets its user choose.
func New(o Options) Theme {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(o.Profile)
	r.SetHasDarkBackground(o.Background != Light)
	plain := r.NewStyle()
	colour := func(c lipgloss.Color) lipgloss.Style {
		if o.NoColor {
			return plain
		}
		return plain.Foreground(c)
	}
	p := paletteFor(o.Background)
	t := Theme{
		Signs:    signs,
		Plain:    plain,
		Title:    plain.Bold(true),
		Dim:      plain.Faint(true),
		Accent:   colour(p.accent).Bold(true),
		Alert:    colour(p.alert).Bold(true),
		Soon:     colour(p.soon),
		Good:     colour(p.good),
		Selected: plain.Reverse(true),
		ASCII:    o.ASCII,
		Bare:     o.Profile == termenv.Ascii,
	}
	if o.ASCII {
		t.Signs = asciiSigns
	}
	return t
}

// palette are colour numbers of the 16.
type palette struct{ accent, alert, soon, good lipgloss.Color }

func paletteFor(b Background) palette {
	switch b {
	case Dark:
		return palette{accent: "14", alert: "9", soon: "11", good: "10"}
	case Light:
		return palette{accent: "4", alert: "1", soon: "3", good: "2"}
	default:
		return palette{accent: "6", alert: "1", soon: "3", good: "2"}
	}
}
