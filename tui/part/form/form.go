// Package form asks for several values at once: lines of text and choices, one below the other. It is shown in place
// of the footer, where one line is the question and one the keys.
package form

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Field is one value that is asked for.
type Field struct {
	// Name stands before the value.
	Name string
	// Choices are the values that there are, the first of them to begin with; without any, a text is typed.
	Choices []string
	// Limit is how many characters a text may have.
	Limit int
	// Hint says what to type; it is shown while nothing was.
	Hint string
	// Paste says what to make of a paste of several lines, which is no text to edit: it is kept whole, counted and not
	// shown. It is empty where that is not wanted; then line ends become spaces.
	Paste string
}

// Options are what a Form is made of.
type Options struct {
	Look theme.Theme
	// Title says what is asked for.
	Title  string
	Fields []Field
	// Send says what Enter does on the last field.
	Send string
	// Fault says what is wrong with the values, "" when nothing is. The form is not sent then.
	Fault func(values []string) string
	// Done gets the values when the form is sent.
	Done func(values []string) tea.Cmd
}

// Form is a form that is being filled in.
type Form struct {
	Options
	texts  []prompt.Prompt
	chosen []int
	pasted []string
	at     int
	// tried says that Enter was pressed, so that faults are shown.
	tried bool

	send, cancel, down, up, left, right key.Binding
}

// New returns an empty form with the caret in its first field.
func New(o Options) *Form {
	bind := func(shown, does string, names ...string) key.Binding {
		return key.NewBinding(key.WithKeys(names...), key.WithHelp(shown, does))
	}
	f := &Form{
		Options: o, texts: make([]prompt.Prompt, len(o.Fields)), chosen: make([]int, len(o.Fields)), pasted: make([]string, len(o.Fields)),
		send: bind("enter", o.Send, "enter"), cancel: bind("esc", "back", "esc"),
		down: bind("tab", "next field", "tab", "down"), up: bind("shift-tab", "field before", "shift+tab", "up"),
		left: bind("left", "other choice", "left"), right: bind("right", "other choice", "right", " "),
	}
	for i, field := range o.Fields {
		f.texts[i] = prompt.New(o.Look, field.Limit)
	}
	return f
}

// values are what was typed, chosen or pasted.
func (f *Form) values() []string {
	values := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		switch {
		case len(field.Choices) > 0:
			values[i] = field.Choices[f.chosen[i]]
		case f.pasted[i] != "":
			values[i] = f.pasted[i]
		default:
			values[i] = strings.TrimSpace(f.texts[i].Value())
		}
	}
	return values
}

// Update takes a key and reports whether the form is over.
func (f *Form) Update(msg tea.KeyMsg) (over bool, cmd tea.Cmd) {
	n := len(f.Fields)
	switch {
	case key.Matches(msg, f.cancel):
		return true, nil
	case key.Matches(msg, f.send) && f.at < n-1:
		f.at++
	case key.Matches(msg, f.send):
		f.tried = true
		if f.fault() == "" {
			return true, f.Done(f.values())
		}
	case n > 1 && key.Matches(msg, f.down):
		f.at = (f.at + 1) % n
	case n > 1 && key.Matches(msg, f.up):
		f.at = (f.at + n - 1) % n
	case len(f.Fields[f.at].Choices) > 0:
		f.choose(msg)
	default:
		cmd = f.edit(msg)
	}
	return false, cmd
}

// choose takes another of the choices of the field at the caret.
func (f *Form) choose(msg tea.KeyMsg) {
	n := len(f.Fields[f.at].Choices)
	switch {
	case key.Matches(msg, f.right):
		f.chosen[f.at] = (f.chosen[f.at] + 1) % n
	case key.Matches(msg, f.left):
		f.chosen[f.at] = (f.chosen[f.at] + n - 1) % n
	}
}

// edit changes the text of the field at the caret; a paste of several lines is kept whole where the field takes one.
func (f *Form) edit(msg tea.KeyMsg) tea.Cmd {
	if msg.Paste && f.Fields[f.at].Paste != "" && strings.ContainsAny(string(msg.Runes), "\r\n") {
		f.pasted[f.at] = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(msg.Runes))
		return nil
	}
	f.pasted[f.at] = ""
	return f.texts[f.at].Update(msg)
}

func (f *Form) fault() string {
	if f.Fault == nil {
		return ""
	}
	return f.Fault(f.values())
}

// Keys are those that work at the moment.
func (f *Form) Keys() []page.Key {
	send := page.Key{Binding: f.send}
	if f.at == len(f.Fields)-1 {
		send.Off = f.fault()
	}
	keys := []page.Key{send, {Binding: f.cancel}}
	if len(f.Fields) > 1 {
		keys = append(keys, page.Key{Binding: f.down}, page.Key{Binding: f.up})
	}
	if len(f.Fields[f.at].Choices) > 0 {
		keys = append(keys, page.Key{Binding: f.right}, page.Key{Binding: f.left})
	}
	return keys
}

// Lines draws the form: the title, a line for each field, and the keys or what is wrong.
func (f *Form) Lines(width int) []string {
	cut := func(s string) string { return text.Cut(s, width, f.Look.Cut) }
	lines := []string{cut(" " + f.Look.Title.Render(f.Title))}
	column := 0
	for _, field := range f.Fields {
		column = max(column, text.Width(field.Name))
	}
	for i, field := range f.Fields {
		lead := " " + text.Fit(field.Name, column, "") + "  "
		if i == f.at {
			lead = " " + f.Look.Accent.Render(text.Fit(field.Name, column, "")) + "  "
		}
		lines = append(lines, cut(lead+f.value(i, width-column-4)))
	}
	foot := f.Look.Accent.Render("enter") + " " + f.Send
	if f.at < len(f.Fields)-1 {
		foot = f.Look.Accent.Render("enter") + " next field"
	}
	if fault := f.fault(); fault != "" && f.tried {
		foot = "enter: " + f.Look.Soon.Render(fault)
	}
	return append(lines, cut(" "+foot+"   "+f.Look.Accent.Render("esc")+" back"))
}

// value draws the value of a field.
func (f *Form) value(i, width int) string {
	field := f.Fields[i]
	switch {
	case len(field.Choices) > 0:
		words := make([]string, len(field.Choices))
		for n, choice := range field.Choices {
			if n == f.chosen[i] {
				words[n] = f.Look.Accent.Render("[" + choice + "]")
			} else {
				words[n] = f.Look.Dim.Render(" " + choice + " ")
			}
		}
		line := strings.Join(words, " ")
		if i == f.at {
			line += f.Look.Dim.Render("   left right choose")
		}
		return line
	case f.pasted[i] != "":
		return count(f.pasted[i]) + ", " + field.Paste
	case i == f.at && f.texts[i].Value() == "":
		return f.texts[i].View(1) + " " + f.Look.Dim.Render(field.Hint)
	case i == f.at:
		return f.texts[i].View(width)
	default:
		return text.Cut(safetext.Line(f.texts[i].Value()), width, f.Look.Cut)
	}
}

// count says how much was pasted.
func count(pasted string) string {
	lines := strings.Count(strings.TrimRight(pasted, "\n"), "\n") + 1
	return fmt.Sprintf("%d lines, %d bytes", lines, len(pasted))
}
