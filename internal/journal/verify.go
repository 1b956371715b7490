package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// Fault is something that was done to a journal.
type Fault struct {
	// Line is the number of the line in the file, from 1. What was cut off the end has the number of the line after it.
	Line int `json:"line"`
	// Text says what is wrong.
	Text string `json:"text"`
}

// Report is what Verify found.
type Report struct {
	Path string `json:"path"`
	// Entries is how many lines there are, Decisions how many of them are decisions.
	Entries   int `json:"entries"`
	Decisions int `json:"decisions"`
	// Last is the hash of the last line, "" when there is none. It stands for the whole journal up to there.
	Last   string  `json:"last"`
	Faults []Fault `json:"faults"`
}

// Verify checks the chain. A hash that was noted earlier must be that of a line; "" asks for none. A journal that was
// never begun is in order. The error is ErrUnusable.
func (j *Journal) Verify(noted string) (Report, error) {
	c := check{report: Report{Path: j.path, Faults: []Fault{}}, noted: noted, hashes: map[int]string{}}
	err := j.read(func(data []byte) {
		last, err := j.head()
		c.all(data, last, err)
	})
	return c.report, err
}

// all checks the lines, and the note about the last one.
func (c *check) all(data []byte, last head, err error) {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		c.line(n, line)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && n == 0:
	case err != nil:
		c.fault(n+1, "whether lines were cut off here is not known: %v", err)
	default:
		c.end(n, last)
	}
	if c.noted != "" && !c.met {
		c.fault(n+1, "no line has the hash %s, which was noted earlier: the journal was written anew, or is another one", c.noted)
	}
}

// check walks along a chain.
type check struct {
	report Report
	noted  string
	met    bool
	// before is what the last line says of itself, marked whether it has a fault, hashes the hashes by entry.
	before head
	marked bool
	hashes map[int]string
}

func (c *check) fault(line int, format string, args ...any) {
	c.report.Faults = append(c.report.Faults, Fault{Line: line, Text: fmt.Sprintf(format, args...)})
}

// line checks one line and how it goes on from the one before.
func (c *check) line(n int, line []byte) {
	body, finished := bytes.CutSuffix(line, []byte("\n"))
	c.report.Entries = n
	e, err := opened(body)
	marked := true
	switch {
	case !finished:
		c.fault(n, "it is cut off in the middle: a program was ended while it wrote")
	case err != nil:
		c.fault(n, "it was changed: %v", err)
	default:
		marked = false
	}
	if errors.Is(err, errNoEntry) || !finished {
		c.before.Entry++ // it stands where this entry was
		c.before.Hash, c.marked = "", true
		return
	}
	c.link(n, e)
	c.before, c.marked = head{Entry: e.Entry, Hash: e.Hash}, marked
	c.hashes[e.Entry], c.report.Last = e.Hash, e.Hash
	c.met = c.met || e.Hash == c.noted
	if e.Kind == KindDecision {
		c.report.Decisions++
	}
}

// link checks that an entry follows the one before.
func (c *check) link(n int, e Entry) {
	switch missing := e.Entry - c.before.Entry - 1; {
	case missing == 1:
		c.fault(n, "entry %d follows entry %d: the entry between them was cut out", e.Entry, c.before.Entry)
	case missing > 1:
		c.fault(n, "entry %d follows entry %d: the %d entries between them were cut out", e.Entry, c.before.Entry, missing)
	case missing < 0:
		c.fault(n, "entry %d follows entry %d: it was put in or moved here", e.Entry, c.before.Entry)
	case e.Previous != c.before.Hash && !c.marked:
		c.fault(max(n-1, 1), "it was changed together with its hash: the line after it knows another one")
	}
}

// end checks that the chain ends where it was written last. A program that was ended between a line and the note about
// it leaves a note that is one line late.
func (c *check) end(n int, last head) {
	switch hash, there := c.hashes[last.Entry]; {
	case last.Entry > c.before.Entry:
		c.fault(n+1, "the journal ends with entry %d, and entry %d was written: its end was cut off",
			c.before.Entry, last.Entry)
	case there && hash != last.Hash && !c.marked:
		c.fault(n, "it was changed together with its hash: %s was noted for it", last.Hash)
	}
}
