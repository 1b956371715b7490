package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// safe is text that may be drawn. Only id, line and ours make it.
type safe string

func id(s string) safe   { return safe(safetext.ID(s)) }
func line(s string) safe { return safe(safetext.Line(s)) }
func ours(s string) safe { return safe(s) }

// labelWidth is the column of the values of fields.
const labelWidth = 14

// maxNesting is how deep parameters may be nested to be shown indented. The room that indentation takes grows with the
// square of the depth.
const maxNesting = 32

var errTrailing = errors.New("there is more after the JSON value")

// writer collects lines.
type writer struct {
	look  theme.Theme
	zone  *time.Location
	width int
	// bar stands before text of an agent.
	bar string
	// why explains the rules that are known.
	why   []Rule
	lines []string
}

// put writes s behind lead, wrapped, each line drawn by style.
func (w *writer) put(lead string, s safe, style func(...string) string) {
	for _, l := range w.wrap(s, text.Width(lead)) {
		w.lines = append(w.lines, lead+drawn(l, style))
	}
}

// wrap returns s in lines that leave room for used columns.
func (w *writer) wrap(s safe, used int) []string {
	return text.Wrap(w.ascii(string(s)), max(w.width-used, 1))
}

// ascii writes text with ASCII alone where nothing else can be shown.
func (w *writer) ascii(s string) string {
	if w.look.ASCII {
		return safetext.ASCII(s)
	}
	return s
}

func drawn(s string, style func(...string) string) string {
	if style == nil {
		return s
	}
	return style(s)
}

// title writes what is to be done to what, in one line if both fit.
func (w *writer) title(action, target safe) {
	if text.Width(string(action+"  "+target)) <= w.width {
		w.lines = append(w.lines, w.look.Accent.Render(string(action))+"  "+w.look.Title.Render(string(target)))
		return
	}
	w.names(action, w.look.Accent.Render)
	w.names(target, w.look.Title.Render)
}

// names writes what the agent is called and wants, without a bar; only its first line starts in the first column, so
// that it cannot pass for a heading.
func (w *writer) names(s safe, style func(...string) string) {
	for i, l := range w.wrap(s, 2) {
		w.lines = append(w.lines, text.Spaces(2*min(i, 1))+drawn(l, style))
	}
}

// heading begins a section. Nothing else starts in the first column, after the names at the top.
func (w *writer) heading(s, remark string) {
	w.lines = append(w.lines, "")
	w.put("", line(s+strings.Repeat("  ", min(len(remark), 1))+remark), w.look.Title.Render)
}

// note writes text of the gateway.
func (w *writer) note(s string) {
	for _, l := range safetext.Block(s) {
		w.put("  ", safe(l), nil)
	}
}

// quote writes text of an agent or a reviewer.
func (w *writer) quote(s string) {
	for _, l := range safetext.Block(s) {
		w.put(w.bar, safe(l), nil)
	}
}

// field writes a value of the gateway, quoteField one of the agent. The label is ours or one word of the agent's.
func (w *writer) field(label string, value safe)      { w.labelled("  ", label, value, nil) }
func (w *writer) quoteField(label string, value safe) { w.labelled(w.bar, label, value, nil) }

func (w *writer) fieldIf(label string, value safe) {
	if value != "" {
		w.field(label, value)
	}
}

func (w *writer) quoteFieldIf(label string, value safe) {
	if value != "" {
		w.quoteField(label, value)
	}
}

func (w *writer) labelled(lead, label string, value safe, style func(...string) string) {
	label = safetext.Line(label)
	room := max(labelWidth, text.Width(label)+1)
	if room > labelWidth && room > w.width/2 { // a label that leaves no room has lines of its own
		w.put(lead, safe(label), w.look.Dim.Render)
		label, room = "", labelWidth
	}
	for i, l := range w.wrap(value, text.Width(lead)+room) {
		margin := text.Spaces(room)
		if i == 0 {
			margin = w.look.Dim.Render(text.Fit(label, room, ""))
		}
		w.lines = append(w.lines, lead+margin+drawn(l, style))
	}
}

// event writes one entry of the timeline: the time, and the date if it is another day.
func (w *writer) event(day, at time.Time, what, message string) {
	at = at.In(w.zone)
	when := at.Format(time.TimeOnly)
	if at.Format(time.DateOnly) != day.Format(time.DateOnly) {
		when = at.Format(time.DateTime)
	}
	if message != "" {
		what += ": " + message
	}
	w.labelled("  ", when, line(what), nil)
}

// value writes any JSON value with its keys in order, so that it looks the same each time.
func (w *writer) value(title string, p *apiextensionsv1.JSON) {
	if p == nil || len(p.Raw) == 0 {
		return
	}
	pretty, size, err := format(p.Raw)
	if err != nil {
		w.heading(title, fmt.Sprintf("%d bytes that are not JSON", len(p.Raw)))
		w.quote(string(p.Raw))
		return
	}
	w.heading(title, fmt.Sprintf("%s, %s", size, plural(len(p.Raw), "byte")))
	w.quote(pretty)
}

// format returns raw indented and with sorted keys, and how much is in it. Numbers keep their digits.
func format(raw []byte) (pretty, size string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", "", fmt.Errorf("read the parameters: %w", err)
	}
	if decoder.More() {
		return "", "", errTrailing
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if nesting(raw) <= maxNesting {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(value); err != nil {
		return "", "", fmt.Errorf("write the parameters: %w", err)
	}
	switch v := value.(type) {
	case map[string]any:
		size = plural(len(v), "key")
	case []any:
		size = plural(len(v), "item")
	default:
		size = "1 value"
	}
	return out.String(), size, nil
}

// nesting returns how deep the brackets in raw are nested, those within strings counted too.
func nesting(raw []byte) int {
	depth, deepest := 0, 0
	for _, c := range raw {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest
}

func plural(n int, what string) string {
	return text.Count(n, what, what+"s")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
