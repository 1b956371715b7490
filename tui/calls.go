package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
)

// decisionLimit is how long a decision may take, also after the user left the program.
const decisionLimit = 10 * time.Second

// untilEnd makes commands whose calls end with ctx.
func untilEnd(ctx context.Context) page.Do {
	return func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(ctx) }
	}
}

// pending counts the decisions that are on their way.
type pending struct {
	calls sync.WaitGroup
}

func newPending() *pending { return &pending{} }

// do makes commands whose calls live on when ctx ends, until they are done or decisionLimit is over.
func (p *pending) do(ctx context.Context) page.Do {
	ctx = context.WithoutCancel(ctx)
	return func(call func(context.Context) tea.Msg) tea.Cmd {
		// Counted here and not in the command, so that leaving right after Enter finds it.
		p.calls.Add(1)
		return func() tea.Msg {
			defer p.calls.Done()
			ctx, cancel := context.WithTimeout(ctx, decisionLimit)
			defer cancel()
			return call(ctx)
		}
	}
}

// interruptible makes commands whose calls are told to end when ctx does, and get the time for it.
func (p *pending) interruptible(ctx context.Context) page.Do {
	return func(call func(context.Context) tea.Msg) tea.Cmd {
		p.calls.Add(1)
		return func() tea.Msg {
			defer p.calls.Done()
			return call(ctx)
		}
	}
}

// wait returns when no decision is on its way, or decisionLimit is over.
func (p *pending) wait() {
	done := make(chan struct{})
	go func() {
		p.calls.Wait()
		close(done)
	}()
	limit := time.NewTimer(decisionLimit)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}
