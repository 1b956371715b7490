package tui

import (
	"fmt"
	"io"
	"sync"

	tea "github.com/charmbracelet/bubbletea"
)

// oneWriter is the one writer to the terminal: screens and the sequences beside them never mix.
type oneWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes all of p or fails.
func (o *oneWriter) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p) //nolint:wrapcheck // a writer's error
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
