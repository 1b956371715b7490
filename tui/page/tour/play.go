package tour

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

// Play runs the tour by itself and writes what happens as plain lines: for screen readers, pipes and tests.
func Play(ctx context.Context, out io.Writer, cast Cast, mark string, ending []string) error {
	p := &player{out: out}
	for i, s := range scenes(mark) {
		p.line("%d. %s", i+1, s.title)
		p.line("   %s", s.tells)
		state, err := cast.submit(ctx, s)
		if err != nil {
			return err
		}
		p.part(cast.AgentName, append(s.asked(), answered(state)...))
		if s.act != allowed {
			done, err := cast.decide(ctx, s, state.Name)
			if err != nil {
				return err
			}
			who, call := s.called(cast, state.Name)
			lines := []string{call}
			if done.refused != "" {
				lines = append(lines, "  "+done.refused)
			}
			p.part(who, lines)
			p.part(cast.AgentName, append([]string{"GET /agent-requests/" + state.Name}, answered(done.state)...))
		}
		p.line("   %s", s.learn)
		p.line("")
		if s.act == approveSelf {
			if err := cast.clear(ctx, s, state.Name); err != nil {
				return err
			}
		}
	}
	p.line("That is all. Next:")
	for _, l := range ending {
		p.line("  %s", l)
	}
	return p.err
}

// player writes lines until one fails.
type player struct {
	out io.Writer
	err error
}

func (p *player) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (p *player) part(who string, lines []string) {
	for _, l := range lines {
		p.line("   %-16s %s", safetext.ID(who), safetext.Line(l))
	}
}
