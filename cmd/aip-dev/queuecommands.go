package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// queueCommands runs commands of this program for the queue, which shows what they print.
type queueCommands struct{ app *app }

// Line is a command as one would type it.
func (q queueCommands) Line(args []string) string { return q.app.command(strings.Join(args, " ")) }

// Run runs a command as if it had been typed and hands over the lines that it prints.
func (q queueCommands) Run(ctx context.Context, args []string, stdin string, line func(string)) error {
	out := &lineWriter{line: line}
	defer out.flush()
	a := *q.app
	a.in, a.out, a.errOut = strings.NewReader(stdin), out, out
	root := newRoot(&a) //nolint:contextcheck // a command gets its context when it runs
	full := make([]string, 0, len(args)+2)
	if q.app.name != bootstrap.DefaultName {
		full = append(full, "--name", q.app.name)
	}
	for _, arg := range args {
		full = append(full, q.atHome(arg))
	}
	root.SetArgs(full)
	c, err := root.ExecuteContextC(ctx)
	err = a.explain(usage(c, err))
	failure.Print(out, err)
	return err
}

// atHome replaces ~ as a shell does.
func (q queueCommands) atHome(arg string) string {
	rest, ok := strings.CutPrefix(arg, "~/")
	if !ok {
		return arg
	}
	return filepath.Join(q.app.getenv("HOME"), rest)
}

// lineWriter hands over what is written, line by line.
type lineWriter struct {
	mu   sync.Mutex
	line func(string)
	rest []byte
}

// Write never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.line(string(line))
		w.rest = rest
	}
}

// flush hands over a last line that has no end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.line(string(w.rest))
	}
	w.rest = nil
}
