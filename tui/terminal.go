package tui

import (
	"fmt"
	"io"
	"os"
	"sync"

	tea "github.com/charmbracelet/bubbletea"
)

// terminal is the one writer to the terminal: frames and the sequences beside them never mix.
type terminal struct {
	*os.File
	mu sync.Mutex
}

// Write writes all of p or fails.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.File.Write(p) //nolint:wrapcheck // a writer's error
}

// shared makes a writer that several may use at once.
func shared(w io.Writer) io.Writer {
	if file, ok := w.(*os.File); ok {
		return &terminal{File: file}
	}
	return &lockedWriter{w: w}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p) //nolint:wrapcheck // a writer's error
}

// say writes a sequence beside the screen.
func (r *root) say(sequence string) tea.Cmd {
	if r.Out == nil || sequence == "" {
		return nil
	}
	return func() tea.Msg {
		if _, err := io.WriteString(r.Out, sequence); err != nil {
			return fmt.Errorf("write to the terminal: %w", err)
		}
		return nil
	}
}
