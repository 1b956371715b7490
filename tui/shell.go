package tui

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"

	"github.com/aip-dev/aip-dev/tui/part/paint"
)

// frame is the shortest time between two screens: what changes more often is seen no better.
const frame = 8 * time.Millisecond

// shell draws the root after everything that happens, when that changed the screen.
type shell struct {
	*root
	terminal *paint.Terminal
	drawn    time.Time
	// late says that a screen waits for the end of its frame.
	late bool
}

// redraw ends the wait for a frame.
type redraw struct{}

// Update implements tea.Model.
func (s *shell) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	defer func() {
		if fault := recover(); fault != nil {
			_ = s.terminal.Close() // so that the fault can be read
			panic(fault)
		}
	}()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case redraw:
		s.late = false
	case tea.WindowSizeMsg:
		s.terminal.Resize(msg.Width)
		_, cmd = s.root.Update(msg)
	default:
		_, cmd = s.root.Update(msg)
	}
	return s, tea.Batch(cmd, s.draw())
}

// View implements tea.Model. The shell has drawn already.
func (*shell) View() string { return "" }

// draw puts the screen on the terminal, or says when.
func (s *shell) draw() tea.Cmd {
	now := time.Now()
	if wait := frame - now.Sub(s.drawn); wait > 0 {
		if s.late {
			return nil
		}
		s.late = true
		return tea.Tick(wait, func(time.Time) tea.Msg { return redraw{} })
	}
	s.drawn = now
	if err := s.terminal.Paint(s.root.View()); err != nil {
		return tea.Quit // the terminal is gone
	}
	return nil
}

// sizes tells the size of the terminal, now and when it changes, until ctx ends.
func sizes(ctx context.Context, terminal *os.File, tell func(tea.Msg)) {
	if terminal == nil {
		return
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	for {
		if width, height, err := term.GetSize(terminal.Fd()); err == nil {
			tell(tea.WindowSizeMsg{Width: width, Height: height})
		}
		select {
		case <-ctx.Done():
			return
		case <-resized:
		}
	}
}
