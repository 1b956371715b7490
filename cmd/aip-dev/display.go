package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/charmbracelet/x/term"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/state"
)

// display shows a run on the standard error and keeps it in the state folder.
type display struct {
	progress.Sink
	parts []progress.Renderer
}

func (a *app) newDisplay(folder state.Folder, title string) (*display, error) {
	log, err := progress.OpenFile(folder.Log("up"))
	if err != nil {
		return nil, err
	}
	o := progress.Options{Title: title, Color: progress.ColorWanted(a.getenv), Size: size(a.errOut), Now: a.now}
	show := progress.NewPlain
	if isTerminal(a.errOut) && progress.LiveWanted(a.getenv) {
		show = progress.NewLive
	}
	d := &display{parts: []progress.Renderer{log, show(a.errOut, o)}}
	d.Sink = progress.Tee(d.parts[0], d.parts[1])
	return d, nil
}

// Close ends the display; the terminal is as before, also after an interruption. Calls after the first do nothing.
func (d *display) Close() error {
	var faults []error
	for _, p := range d.parts {
		faults = append(faults, p.Close())
	}
	return errors.Join(faults...)
}

// size returns a function that asks the terminal behind w for its columns and lines; 0 and 0 when it is none.
func size(w io.Writer) func() (int, int) {
	return func() (int, int) {
		file, ok := w.(*os.File)
		if !ok {
			return 0, 0
		}
		columns, lines, err := term.GetSize(file.Fd())
		if err != nil {
			return 0, 0
		}
		return columns, lines
	}
}

// summary prints where everything is, and what to type next. applied is how many steps had something to do.
func (a *app) summary(f bootstrap.Facts, applied int) error {
	var b strings.Builder
	switch {
	case applied == 0:
		b.WriteString("\nReady as before: nothing had to be done.\n")
	case f.Timing.Total > 0:
		fmt.Fprintf(&b, "\nReady in %s%s.\n", progress.Took(f.Timing.Total), critical(f.Timing))
	}
	for i, what := range strings.FieldsFunc(f.Proof.Missing, func(r rune) bool { return r == '\n' }) {
		if i == 0 {
			b.WriteString("\nNot proven:\n")
		}
		fmt.Fprintf(&b, "  - %s\n", what)
	}
	ids := func(role string) string {
		var found []string
		for _, c := range f.Identity.Clients {
			if c.Role == role {
				found = append(found, c.ID)
			}
		}
		return strings.Join(found, ", ")
	}
	fmt.Fprintf(&b, `
  gateway    %s
  issuer     %s
  kubectl    export KUBECONFIG=%s
  agents     %s
  reviewers  %s
  admins     %s

Next:  %s  # use it from this shell
       %s
       %s
       %s  # the review queue
`,
		f.Gateway.URL, f.Identity.IssuerURL, shellescape.Quote(f.Cluster.Kubeconfig),
		ids(bootstrap.RoleAgent), ids(bootstrap.RoleReviewer), ids(bootstrap.RoleAdmin),
		`eval "$(`+a.command("env")+`)"`, a.command("token "+firstAgent(f)),
		a.command("request submit --action delete --target k8s://prod/web --reason test"), a.command("tui"))
	return a.print(b.String())
}

// firstAgent returns the id of an agent to show commands with.
func firstAgent(f bootstrap.Facts) string {
	for _, c := range f.Identity.Clients {
		if c.Role == bootstrap.RoleAgent {
			return c.ID
		}
	}
	return "CLIENT"
}

// critical names the steps that the run spent its time in, one after the other, without those that hardly count.
func critical(t bootstrap.TimingFacts) string {
	var path []string
	for _, step := range t.Critical {
		if took := t.Steps[step]; took > t.Total/20 { //nolint:mnd // a twentieth: nobody would look there first
			path = append(path, step+" "+progress.Took(took))
		}
	}
	if len(path) < 2 {
		return ""
	}
	return ": " + strings.Join(path, ", then ")
}

// since returns how long ago at was, as people write it.
func (a *app) since(at time.Time) string { return progress.Took(a.now().Sub(at)) }
