package progress

import (
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Renderer is a Sink that shows or keeps a run. Close ends it in any state, may be called again, and returns the first
// error of writing. Events that come after Close are dropped.
type Renderer interface {
	Sink
	Close() error
}

// Options say how a run is shown. The zero value lacks only Now.
type Options struct {
	// Title is a line above the run, followed by an empty one; when it is empty, neither is there.
	Title string
	// Verbose shows Output events too.
	Verbose bool
	// ASCII draws signs that every terminal has.
	ASCII bool
	// Color lets the live display use colours; see ColorWanted.
	Color bool
	// Size returns the columns and lines of the terminal of the live display. Nil or 0 counts as 80 columns and as many
	// lines as it takes.
	Size func() (width, height int)
	// Now is the clock that tells how long a step runs so far.
	Now func() time.Time
}

// ColorWanted reports whether the environment lets a terminal show colours.
// Sources: https://no-color.org, https://bixense.com/clicolors
func ColorWanted(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("CLICOLOR") != "0" && LiveWanted(getenv)
}

// LiveWanted reports whether the environment names a terminal that can move its cursor. That the output is a terminal
// at all is for the caller to see.
func LiveWanted(getenv func(string) string) bool {
	term := getenv("TERM")
	return term != "" && term != "dumb"
}

// Took writes a duration as all renderers do: 0.2s, 12s, 1m04s, 2h13m.
func Took(d time.Duration) string {
	switch {
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute-time.Second/2:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + "s"
	case d < time.Hour-time.Second/2:
		s := int(d.Round(time.Second).Seconds())
		return strconv.Itoa(s/60) + "m" + two(s%60) + "s"
	default:
		m := int(d.Round(time.Minute).Minutes())
		return strconv.Itoa(m/60) + "h" + two(m%60) + "m"
	}
}

func two(n int) string { return strconv.Itoa(n/10) + strconv.Itoa(n%10) }

// pad fills s with spaces to width cells.
func pad(s string, width int) string {
	for n := ansi.StringWidth(s); n < width; n++ {
		s += " "
	}
	return s
}

// cut shortens s to width cells, at the end of a word where that keeps half of it, and marks the cut with mark.
func cut(s string, width int, mark string) string {
	if ansi.StringWidth(s) <= width {
		return s
	}
	room := width - ansi.StringWidth(mark)
	if room <= 0 {
		return ansi.Truncate(mark, max(width, 0), "")
	}
	short := ansi.Truncate(s, room+1, "")
	for i := len(short) - 1; i > len(short)/2; i-- {
		if short[i] == ' ' {
			return short[:i] + mark
		}
	}
	return ansi.Truncate(s, room, "") + mark
}

// out is a writer that keeps its first error and is silent after it.
type out struct {
	w   io.Writer
	err error
}

func (o *out) write(s string) {
	if o.err == nil && s != "" {
		_, o.err = io.WriteString(o.w, s)
	}
}

// clock calls tick every so often on a goroutine of its own until it is stopped.
type clock struct {
	once sync.Once
	quit chan struct{}
	gone chan struct{}
}

func startClock(every time.Duration, tick func()) *clock {
	c := &clock{quit: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				tick()
			case <-c.quit:
				return
			}
		}
	}()
	return c
}

// stop returns when tick will not be called again.
func (c *clock) stop() {
	c.once.Do(func() { close(c.quit) })
	<-c.gone
}
