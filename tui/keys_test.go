package tui

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/environment"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
)

// desk explains tokens.
type desk struct{}

func (desk) Clients() []string { return []string{"aip-agent-1", "aip-reviewer-1"} }

func (desk) Why(_ context.Context, _, client string) (tokens.Report, error) {
	return tokens.Report{
		Accepted: true, Answer: "200, role reviewer",
		Claims: []token.Claim{{Name: "azp", Value: client, Says: "the client that got it"}, {Name: "exp", Value: "1999-12-31", Says: "when it ends"}},
	}, nil
}

// everything adds what all pages need.
func everything(o *Options) {
	o.Identities = func() []agents.Identity {
		return []agents.Identity{{ID: "aip-reviewer-1", Role: "reviewer"}, {ID: "cost-bot", Role: "agent"}}
	}
	o.Environs = func(context.Context) ([]environment.Item, error) {
		return []environment.Item{
			{Kind: "health", Name: "gateway", Text: "chart aip-k8s 0.1.0", Verdict: check.Pass},
			{Kind: "health", Name: "identity", Text: "realm aip is not there", Verdict: check.Fail, Fix: "aip-dev doctor --fix"},
			{Kind: "health", Name: "clients", Text: "not asked", Verdict: check.Skip},
			{Kind: "health", Name: "clock", Text: "3 s apart", Verdict: check.Warn},
			{Kind: "log", Name: "gateway", Text: "last", Whole: "first\n\x1b[2Jlast"},
		}, nil
	}
	o.Tokens, o.Commands = desk{}, &commands{}
}

// pagesByKey are the pages that can be opened from everywhere.
func pagesByKey() map[string]string {
	return map[string]string{"A": "audit", "P": "policies", "I": "agents", "E": "environment", "T": "token"}
}

// Every page shows its most important keys, has all of them in its help, and everything that they do by name.
func TestEveryKeyOfEveryPage(t *testing.T) {
	t.Parallel()
	pages := pagesByKey()
	pages["esc"] = "queue"
	for key, name := range pages {
		t.Run(name, func(t *testing.T) {
			onScreen(t, 120, 60, 6, plain(), everything, func(s *screen) {
				s.Press(key)
				s.Wait(time.Second)
				keys := s.root.top().Keys()
				if len(keys) < 4 {
					s.Fatalf("%d keys", len(keys))
				}
				s.wants(keys[0].Help().Key + " " + keys[0].Help().Desc)
				s.wants("? help")
				var named []string
				for _, a := range s.root.actions() {
					named = append(named, a.Name)
				}
				for _, want := range []string{"quit", "quit at once", "help", "audit trail", "token"} {
					if !slices.Contains(named, want) {
						s.Errorf("%q cannot be called by name", want)
					}
				}
				s.Press("?")
				for _, k := range keys {
					does := k.Each
					if does == nil {
						does = []string{k.Help().Desc}
					}
					for _, want := range does {
						s.wants(want)
						if !slices.Contains(named, want) {
							s.Errorf("%q cannot be called by name", want)
						}
					}
				}
			})
		})
	}
}

// The keys that people chose are in force on every page, shown in its footer and its help; those of before are free.
func TestOtherKeysOnEveryPage(t *testing.T) {
	t.Parallel()
	for key, name := range pagesByKey() {
		t.Run(name, func(t *testing.T) {
			onScreen(t, 120, 40, 6, plain(), func(o *Options) {
				everything(o)
				o.Keys = map[string]string{"back": "h", "filter": "f", "read again": "ctrl+r", "help": "H"}
			}, func(s *screen) {
				s.Press(key)
				s.Wait(time.Second)
				for _, want := range []string{"h back", "f filter", "ctrl-r read again", "H help"} {
					s.wants(want)
				}
				s.Press("/", "esc", "q")
				if len(s.root.stack) != 2 || s.root.prompt() != nil {
					s.Error("a key of before still works")
				}
				s.Press("f")
				s.wants("filter: ")
				s.Type("hH?")
				s.wants("hH?")
				s.Press("esc", "H")
				s.wants("ctrl-r")
				s.Press("h")
				s.Press("h")
				if len(s.root.stack) != 1 {
					s.Error("the key does not lead back")
				}
			})
		})
	}
}

// A key that opened a page and was chosen for a decision decides; the page still has its name.
func TestAKeyThatWasTaken(t *testing.T) {
	onScreen(t, 120, 40, 3, plain(), func(o *Options) {
		everything(o)
		o.Keys = map[string]string{"deny": "A a"}
	}, func(s *screen) {
		s.wants("A deny")
		s.Press("A")
		s.wants("reason, the agent reads this")
		s.Press("esc", ":")
		s.Type("audit")
		s.Press("enter")
		s.wants("Audit trail")
		s.Press("esc", ":")
		s.Type("approve unread")
		s.Press("enter")
		s.wants("approve unread")
		s.Press("esc")
		// Approve has no key of its own any more. It is called by its name, once everything was read.
		for range 5 {
			s.Press("J")
		}
		s.Press(":")
		s.Type("approve")
		if view := s.root.View(); strings.Contains(view, "not read") {
			s.Fatalf("not read to the end:\n%s", view)
		}
		s.Press("enter")
		s.wants("approve  ")
		if s.root.prompt() == nil {
			s.Error("the name did not call it")
		}
	})
}

func TestTabsByName(t *testing.T) {
	onScreen(t, 120, 40, 3, plain(), nil, func(s *screen) {
		s.Press(":")
		s.Type("tab all")
		s.Press("enter")
		s.wants("[All 3]")
	})
}
