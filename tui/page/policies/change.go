package policies

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/page/run"
	"github.com/aip-dev/aip-dev/tui/part/form"
)

const (
	// admin is the role that the gateway wants for policies.
	admin = "admin"
	// pathLimit is how many characters a path may have, pasteLimit how many bytes what is pasted.
	pathLimit  = 4096
	pasteLimit = 1 << 20
)

// actions are those about policies that are not there yet, or not any more.
func (o Options) actions() []browse.Action {
	if !o.Changes {
		return nil
	}
	return []browse.Action{
		{Key: key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "check and apply")), Do: o.check},
		{Key: key.NewBinding(key.WithKeys("x"), key.WithHelp("x", "remove")), Off: o.whyNotRemove, Do: o.remove},
	}
}

// as names who does it.
func (o Options) as() []string {
	if o.Identity == "" {
		return nil
	}
	return []string{"--as", o.Identity}
}

func (o Options) whyNot(s feed.Snapshot) string {
	if o.ReadOnly {
		return "read-only"
	}
	return s.Lacks(admin)
}

func (o Options) whyNotRemove(s feed.Snapshot, row *browse.Row) string {
	if why := o.whyNot(s); why != "" || row != nil {
		return why
	}
	return "no policy here"
}

// check asks for policies. They are compiled, which everybody may, and applied when that is wanted then.
func (o Options) check(tea.KeyMsg, *browse.Row) (browse.Question, tea.Cmd) {
	return form.New(form.Options{
		Look: o.Look, Title: "check SafetyPolicies, and apply them if you like", Send: "check",
		Fields: []form.Field{{Name: "file", Limit: pathLimit, Hint: "a path, or paste the YAML", Paste: "pasted"}},
		Fault: func(values []string) string {
			switch {
			case values[0] == "":
				return "a file is needed"
			case len(values[0]) > pasteLimit:
				return "more than 1 MiB, that is no policy"
			default:
				return ""
			}
		},
		Done: func(values []string) tea.Cmd {
			file, stdin := values[0], ""
			if strings.Contains(file, "\n") {
				file, stdin = "-", file
			}
			return run.Start(
				run.Step{Args: run.Args("policy check", file), Stdin: stdin, Does: "check"},
				run.Step{Args: run.Args("policy apply", file, o.as()...), Stdin: stdin, Does: "apply", Off: o.whyNot})
		},
	}), nil
}

// remove asks once more.
func (o Options) remove(_ tea.KeyMsg, row *browse.Row) (browse.Question, tea.Cmd) {
	namespace, name := row.Cells[0], row.Cells[1]
	return form.NewConfirm(o.Look, "remove SafetyPolicy "+safetext.ID(namespace+"/"+name)+"?", "Requests that wait are evaluated again at once: what only it held back goes on.", "remove",
		func() tea.Cmd {
			return run.Start(run.Step{Args: run.Args("policy remove", name, append(o.as(), "--namespace", namespace)...), Does: "remove"})
		}), nil
}
