package agents

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

// admin is the role that changes who is there.
const admin = "admin"

// nameLimit is how many characters a name may have; `agent add` says what else it must be.
const nameLimit = 253

// actions are those that change who is there.
func (o Options) actions() []browse.Action {
	if !o.Changes {
		return nil
	}
	return []browse.Action{
		{Key: key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "add")), Off: o.whyNotAdd, Do: o.add},
		{Key: key.NewBinding(key.WithKeys("x"), key.WithHelp("x", "remove")), Off: o.whyNotRemove, Do: o.remove},
	}
}

func (o Options) whyNotAdd(s feed.Snapshot, _ *browse.Row) string {
	if o.ReadOnly {
		return "read-only"
	}
	return s.Lacks(admin)
}

func (o Options) whyNotRemove(s feed.Snapshot, row *browse.Row) string {
	switch why := o.whyNotAdd(s, row); {
	case why != "":
		return why
	case row == nil:
		return "nobody here"
	case row.ID == s.Who.Identity:
		return "that is you"
	default:
		return ""
	}
}

// add asks for a name and a role.
func (o Options) add(tea.KeyMsg, *browse.Row) (browse.Question, tea.Cmd) {
	return form.New(form.Options{
		Look: o.Look, Title: "add an agent, a reviewer or an admin", Send: "add",
		Fields: []form.Field{
			{Name: "name", Limit: nameLimit, Hint: "for example cost-bot"},
			{Name: "role", Choices: []string{"agent", "reviewer", admin}},
		},
		Fault: func(values []string) string {
			switch name := values[0]; {
			case name == "":
				return "a name is needed"
			case strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \t"):
				return "a name has no spaces and does not begin with -"
			default:
				return ""
			}
		},
		Done: func(values []string) tea.Cmd {
			return run.Start(run.Step{Args: run.Args("agent add", values[0], "--role", values[1]), Does: "add"})
		},
	}), nil
}

// remove asks once more.
func (o Options) remove(_ tea.KeyMsg, row *browse.Row) (browse.Question, tea.Cmd) {
	id := row.ID
	return form.NewConfirm(o.Look, "remove "+safetext.ID(id)+"?", "Its access ends and its client goes; its requests stay.", "remove", func() tea.Cmd {
		return run.Start(run.Step{Args: run.Args("agent remove", id), Does: "remove"})
	}), nil
}
