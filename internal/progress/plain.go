package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

const (
	// quietFor is how long a step may be silent before what it works on is worth a line.
	quietFor   = time.Second
	plainTick  = 250 * time.Millisecond
	nameColumn = 12
	wordColumn = 8
)

// plain writes finished lines only.
type plain struct {
	options Options
	clock   *clock

	mu     sync.Mutex
	out    out
	titled bool
	closed bool
	// running holds the steps that have begun and not ended.
	running map[string]*quiet
	order   []string
}

// quiet is a running step whose newest note may be worth a line soon.
type quiet struct {
	began, said time.Time
	note        string
	shown       bool
}

// NewPlain returns a renderer for pipes and logs: a line for each step that ended, for each warning, and for what a
// step has been working on for a second or longer.
func NewPlain(w io.Writer, o Options) Renderer {
	p := newPlain(w, o)
	p.clock = startClock(plainTick, p.tick)
	return p
}

func newPlain(w io.Writer, o Options) *plain {
	return &plain{options: o, out: out{w: w}, running: map[string]*quiet{}}
}

func (p *plain) Emit(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.title()
	switch e.Kind {
	case Plan:
		p.out.write(pad("plan", nameColumn) + " " + strings.Join(safetext.Block(e.Text), ", ") + "\n")
	case Started:
		p.running[e.Step] = &quiet{began: e.At, said: e.At, shown: true}
		p.order = append(p.order, e.Step)
	case Note:
		if q := p.running[e.Step]; q != nil && (q.note != e.Text || !q.shown) {
			q.note, q.shown = e.Text, false
		}
		p.speak(e.At)
	case Done, Failed, Skipped:
		p.finish(e)
	case Warning:
		p.line(e.Step, "warning", e.Text)
	case Output:
		if p.options.Verbose {
			p.line(e.Step, "output", e.Text)
		}
	case End:
		clear(p.running)
		p.order = nil
	}
}

// finish writes how a step ended.
func (p *plain) finish(e Event) {
	delete(p.running, e.Step)
	for i, name := range p.order {
		if name == e.Step {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
	text := e.Text
	if e.Kind == Failed {
		text = e.Failure
	}
	p.line(e.Step, string(e.Kind), text, Took(e.Took))
}

// speak writes the notes of steps that have been silent for long enough.
func (p *plain) speak(now time.Time) {
	for _, name := range p.order {
		q := p.running[name]
		if q == nil || q.shown || now.Sub(q.said) < quietFor {
			continue
		}
		q.shown, q.said = true, now
		p.line(name, "running", q.note, Took(now.Sub(q.began)))
	}
}

func (p *plain) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.speak(p.options.Now())
	}
}

func (p *plain) title() {
	if !p.titled && p.options.Title != "" {
		p.out.write(safetext.Line(p.options.Title) + "\n\n")
	}
	p.titled = true
}

// line writes the step, the word and the text; further lines of the text are set below its first.
func (p *plain) line(step, word, text string, took ...string) {
	lines := safetext.Block(text)
	if len(lines) == 0 {
		lines = []string{""}
	}
	if len(took) > 0 {
		lines[len(lines)-1] += "  " + took[0]
	}
	head := pad(safetext.Line(step), nameColumn) + " " + pad(word, wordColumn) + " "
	var b strings.Builder
	for _, text := range lines {
		b.WriteString(strings.TrimRight(head+text, " ") + "\n")
		head = strings.Repeat(" ", nameColumn+wordColumn+2)
	}
	p.out.write(b.String())
}

func (p *plain) Close() error {
	if p.clock != nil {
		p.clock.stop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.out.err != nil {
		return fmt.Errorf("write the progress: %w", p.out.err)
	}
	return nil
}
