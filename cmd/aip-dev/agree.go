package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/state"
)

// agree shows what would be made in a cluster that somebody else made, and asks. It returns nil when nothing would, and
// when the user agrees. Clusters of the user's own ask nothing. An environment that was never up leaves nothing behind when it is not to be.
func (a *app) agree(ctx context.Context, e bootstrap.Environment, folder state.Folder, facts bootstrap.Facts, how bringing) error {
	if facts.Cluster.Kind != bootstrap.ClusterExisting {
		return nil
	}
	err := a.askFirst(ctx, e, folder, facts, how)
	if err != nil && fresh(folder.Path) {
		return errors.Join(err, folder.Remove())
	}
	return err
}

func (a *app) askFirst(ctx context.Context, e bootstrap.Environment, folder state.Folder, facts bootstrap.Facts, how bringing) error {
	deps, err := a.deps(e, facts.Cluster.Kind, folder, how.limit)
	if err != nil {
		return err
	}
	preview, _, err := steps.Look(ctx, e, deps, facts)
	if err != nil {
		return a.refused(err)
	}
	known := !fresh(folder.Path)
	if preview.Nothing() && known {
		return nil
	}
	if _, err := io.WriteString(a.errOut, planText(e, preview, known)); err != nil {
		return fmt.Errorf("show the plan: %w", err)
	}
	if how.yes {
		return nil
	}
	return a.consent(ctx, "this cluster was not made by aip-dev", "aip-dev up --yes  # with the flags of this command")
}

// consent asks whether to go ahead. why says why that is asked, and again is the command that asks nothing. Without a
// terminal nobody can answer.
func (a *app) consent(ctx context.Context, why, again string) error {
	if !isTerminal(a.in) || !isTerminal(a.errOut) {
		return failure.New(failure.Usage, []string{again}, "%s, and there is no terminal to ask on, expected --yes; nothing was made", why)
	}
	if _, err := io.WriteString(a.errOut, "Go ahead? [y/N] "); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	line, err := a.line(ctx)
	if err != nil {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return failure.New(failure.Failed, []string{again}, "not agreed to; nothing was made")
	}
	return nil
}

// line reads one line of the standard input. A signal ends the wait.
func (a *app) line(ctx context.Context) (string, error) {
	type outcome struct {
		line string
		err  error
	}
	read := make(chan outcome, 1)
	go func() {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil // no answer is no agreement
		}
		read <- outcome{line, err}
	}()
	select {
	case o := <-read:
		return o.line, o.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// planText says what would happen to which cluster. Names come from the cluster and are made harmless for a terminal.
func planText(e bootstrap.Environment, p steps.Preview, known bool) string {
	var b strings.Builder
	verb := "goes"
	if known {
		verb = "changes"
	}
	fmt.Fprintf(&b, "Environment %s %s in the cluster of context %s: %s, Kubernetes %s\n", e.Name, verb,
		safetext.Line(p.Context), safetext.Line(p.Server), safetext.Line(p.Version))
	list := func(title string, objects []string) {
		for i, object := range objects {
			if i > 0 {
				title = ""
			}
			fmt.Fprintf(&b, "  %-9s %s\n", title, safetext.Line(object))
		}
	}
	b.WriteByte('\n')
	list("creates", p.Creates)
	list("changes", p.Changes)
	list("uses", p.Uses)
	if p.Nothing() {
		b.WriteString("  It is there already, made from another state folder. It is taken over as it is, and\n  `aip-dev down` here would remove it.\n")
	}
	if p.Audience != "" {
		fmt.Fprintf(&b, "\nThe gateway asks for aud %q; with %s, %s.\n", e.Audience, e.Identity.Preset, p.Audience)
	}
	b.WriteString("\nA request is sent and deleted again as a proof. All else in the cluster stays as it is; `aip-dev down` removes what\n" +
		"was created.\n\n")
	return b.String()
}

// refused explains why nothing can be made.
func (a *app) refused(err error) error {
	told := a.explain(err)
	return failure.Wrap(err, failure.CodeOf(told), failure.Next(told), "%v\nNothing was made", err)
}
