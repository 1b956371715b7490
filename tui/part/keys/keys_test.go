package keys_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/part/keys"
)

func TestPress(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "G", "?", "ß", "enter", "esc", "tab", "shift+tab", "ctrl+a", "ctrl+d", "up", "pgdown", "home", "f2"} {
		msg, ok := keys.Press(name)
		if !ok || msg.String() != name {
			t.Errorf("%s: %q, %t", name, msg.String(), ok)
		}
	}
	if msg, ok := keys.Press(" "); !ok || msg.String() != " " {
		t.Errorf("space: %q", msg.String())
	}
	if _, ok := keys.Press("no-such-key"); ok {
		t.Error("there is a key that is not there")
	}
}

func fresh() (a, d, open *key.Binding) {
	x := key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "approve"))
	y := key.NewBinding(key.WithKeys("d", "x"), key.WithHelp("d", "deny"))
	z := key.NewBinding(key.WithKeys("A"), key.WithHelp("A", "audit trail"))
	return &x, &y, &z
}

func TestGive(t *testing.T) {
	t.Parallel()
	a, d, open := fresh()
	wishes := map[string]string{"approve": "d ctrl+y A", "elsewhere": "x"}
	keys.Give(wishes, []*key.Binding{a, d}, open)
	if a.Help().Key != "d" || strings.Join(a.Keys(), " ") != "d ctrl+y A" || strings.Join(d.Keys(), " ") != "x" || d.Help().Key != "x" {
		t.Errorf("approve %v, deny %v shown as %q", a.Keys(), d.Keys(), d.Help().Key)
	}
	if open.Help().Key != "A" {
		t.Error("what works beside them was changed")
	}
	keys.Give(wishes, []*key.Binding{open}, a, d)
	if open.Help().Key != "" || open.Help().Desc != "audit trail" {
		t.Errorf("the audit trail still has %q", open.Help().Key)
	}
	if key.Matches(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("A")}, *open) {
		t.Error("A still opens the audit trail")
	}
	called, ok := keys.Press(open.Keys()[0])
	if !ok || !keys.ByName(called) || !key.Matches(called, *open) {
		t.Errorf("%q does not open it by its name", open.Keys())
	}
	if called.Paste = true; keys.ByName(called) || key.Matches(called, *open) {
		t.Error("a name can be pasted")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	a, d, open := fresh()
	for wishes, want := range map[[2]string]string{
		{"aprove", "z"}: `no action "aprove"`, {"approve", "nokey"}: `"nokey" is no key`, {"deny", ""}: `"deny" has no key`,
	} {
		if err := keys.Check(map[string]string{wishes[0]: wishes[1]}, []*key.Binding{a, d}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", wishes, err)
		}
	}
	both := map[string]string{"approve": "z", "audit trail": "z"}
	if err := keys.Check(both, []*key.Binding{a, d, open}); err == nil {
		t.Error("two actions have one key")
	}
	if err := keys.Check(both, []*key.Binding{a, d}, []*key.Binding{open}); err != nil {
		t.Errorf("they do not work at the same time: %v", err)
	}
}
