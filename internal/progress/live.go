package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

const (
	liveTick = 160 * time.Millisecond
	// maxColumns keeps a line readable on wide terminals.
	maxColumns     = 80
	defaultColumns = 80
)

// Control sequences (ECMA-48). The cursor is hidden within a frame only, so that it is there however the program ends.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearBelow = "\r\x1b[J"
	cursorUp   = "\x1b[%dA"
)

// live redraws the steps that go on, below those that are through.
type live struct {
	options Options
	look    look
	clock   *clock

	mu     sync.Mutex
	out    out
	titled bool
	closed bool
	// steps are those not yet written for good, in the order of the plan.
	steps []*liveStep
	// column is the width of the names.
	column int
	// above are lines to write for good over the steps, with the next frame.
	above []string
	// drawn are the widths of the lines that the next frame replaces, and frame is their text.
	drawn []int
	frame string
}

// liveStep is one step as the display knows it.
type liveStep struct {
	name string
	// kind is empty until the step begins.
	kind     Kind
	began    time.Time
	took     time.Duration
	text     string
	warnings []string
}

func (s *liveStep) ended() bool { return s.kind == Done || s.kind == Failed || s.kind == Skipped }

// NewLive returns a renderer for a terminal. It draws the plan with what each step works on, redraws it in place, and
// leaves behind a transcript without control sequences other than colours. Nothing else may write to w until Close.
func NewLive(w io.Writer, o Options) Renderer {
	l := newLive(w, o)
	l.clock = startClock(liveTick, l.tick)
	return l
}

func newLive(w io.Writer, o Options) *live {
	return &live{options: o, out: out{w: w}, look: look{ascii: o.ASCII, color: o.Color}}
}

func (l *live) Emit(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	switch e.Kind {
	case Plan:
		l.settle(e.At)
		l.begin(strings.Fields(e.Text))
	case Output:
		if !l.options.Verbose {
			return
		}
		l.above = append(l.above, l.look.output(e.Step, e.Text, l.width())...)
	case Warning:
		l.warn(e)
	case End:
		l.settle(e.At)
		return
	case Started, Note, Done, Failed, Skipped:
		l.update(e)
	}
	l.draw(e.At)
}

// begin lists the steps of a run.
func (l *live) begin(names []string) {
	l.column = 0
	for _, name := range names {
		l.add(name)
	}
}

func (l *live) add(name string) *liveStep {
	s := &liveStep{name: l.look.safe(name)}
	l.column = max(l.column, ansi.StringWidth(s.name))
	l.steps = append(l.steps, s)
	return s
}

// find returns the step called name, or nil when it is none that can still change.
func (l *live) find(name string) *liveStep {
	name = l.look.safe(name)
	for _, s := range l.steps {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (l *live) update(e Event) {
	s := l.find(e.Step)
	if s == nil {
		if e.Kind == Note { // of a step that is through
			return
		}
		s = l.add(e.Step)
	}
	switch e.Kind {
	case Note:
		s.text = e.Text
		return
	case Started:
		s.began = e.At
	case Failed:
		s.text = e.Failure
	default:
		s.text = e.Text
	}
	s.kind, s.took = e.Kind, e.Took
}

// warn keeps a warning with its step; one that belongs to none that goes on is written at once.
func (l *live) warn(e Event) {
	if s := l.find(e.Step); s != nil {
		s.warnings = append(s.warnings, e.Text)
		return
	}
	l.above = append(l.above, l.look.warning(e.Step, e.Text, l.column, l.width())...)
}

func (l *live) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && len(l.steps) > 0 {
		l.draw(l.options.Now())
	}
}

// draw writes a frame: what is through for good, then what goes on.
func (l *live) draw(now time.Time) {
	lasting := l.title()
	lasting = append(lasting, l.above...)
	l.above = nil
	width := l.width()
	for len(l.steps) > 0 && l.steps[0].ended() {
		lasting = append(lasting, l.look.step(l.steps[0], now, l.column, width)...)
		l.steps = l.steps[1:]
	}
	var area []string
	for _, s := range l.steps {
		area = append(area, l.look.step(s, now, l.column, width)...)
	}
	if _, height := l.size(); height > 1 && len(area) >= height {
		area = area[:height-1]
	}
	l.replace(lasting, area)
}

// replace writes lasting over the last frame, and area below it.
func (l *live) replace(lasting, area []string) {
	frame := strings.Join(area, "\n")
	if len(lasting) == 0 && frame == l.frame && l.drawn != nil {
		return
	}
	var b strings.Builder
	b.WriteString(hideCursor)
	if rows := l.rows(); rows > 0 {
		fmt.Fprintf(&b, cursorUp, rows)
	}
	b.WriteString(clearBelow)
	l.frame, l.drawn = frame, make([]int, 0, len(area))
	for _, line := range lasting {
		b.WriteString(line + "\n")
	}
	for _, line := range area {
		b.WriteString(line + "\n")
		l.drawn = append(l.drawn, ansi.StringWidth(line))
	}
	b.WriteString(showCursor)
	l.out.write(b.String())
}

// rows is how many rows the last frame takes now: a terminal that was made narrower has folded its lines.
func (l *live) rows() int {
	columns, _ := l.size()
	rows := 0
	for _, cells := range l.drawn {
		rows += max(1, (cells+columns-1)/columns)
	}
	return rows
}

// settle writes the steps for good, whatever became of them. Those that never began are left out.
func (l *live) settle(now time.Time) {
	lasting := append(l.title(), l.above...)
	for _, s := range l.steps {
		switch s.kind {
		case "":
			lasting = append(lasting, l.look.warnings(s, l.column, l.width())...)
			continue
		case Started:
			s.kind, s.took = End, now.Sub(s.began)
		}
		lasting = append(lasting, l.look.step(s, now, l.column, l.width())...)
	}
	l.above, l.steps = nil, nil
	if len(lasting) > 0 || len(l.drawn) > 0 {
		l.replace(lasting, nil)
	}
	l.drawn = nil
}

// title returns the lines above the first run, once.
func (l *live) title() []string {
	if l.titled || l.options.Title == "" {
		return nil
	}
	l.titled = true
	columns, _ := l.size()
	return append(strings.Split(ansi.Wordwrap(l.look.safe(l.options.Title), max(1, columns-1), ""), "\n"), "")
}

func (l *live) size() (width, height int) {
	if l.options.Size != nil {
		width, height = l.options.Size()
	}
	if width <= 0 {
		width = defaultColumns
	}
	return width, height
}

// width is how wide a line may be. The last column stays empty: terminals differ in what comes after it.
func (l *live) width() int {
	width, _ := l.size()
	return max(1, min(width-1, maxColumns))
}

func (l *live) Close() error {
	if l.clock != nil {
		l.clock.stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.settle(l.options.Now())
		l.closed = true
	}
	if l.out.err != nil {
		return fmt.Errorf("write the progress: %w", l.out.err)
	}
	return nil
}
