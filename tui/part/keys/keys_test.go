package keys_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/bubbles/key"

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

func TestRebind(t *testing.T) {
	t.Parallel()
	fresh := func() (a, d *key.Binding) {
		x := key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "approve"))
		y := key.NewBinding(key.WithKeys("d", "x"), key.WithHelp("d", "deny"))
		return &x, &y
	}
	a, d := fresh()
	if err := keys.Rebind(map[string]string{"approve": "d ctrl+y"}, a, d); err != nil {
		t.Fatal(err)
	}
	if a.Help().Key != "d" || strings.Join(a.Keys(), " ") != "d ctrl+y" || strings.Join(d.Keys(), " ") != "x" || d.Help().Key != "x" {
		t.Errorf("approve %v, deny %v shown as %q", a.Keys(), d.Keys(), d.Help().Key)
	}
	a, d = fresh()
	for wishes, want := range map[[2]string]string{
		{"aprove", "z"}: `no action "aprove"`, {"approve", "nokey"}: `"nokey" is no key`, {"deny", ""}: `"deny" has no key`,
	} {
		if err := keys.Rebind(map[string]string{wishes[0]: wishes[1]}, a, d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", wishes, err)
		}
	}
	if err := keys.Rebind(map[string]string{"approve": "z", "deny": "z"}, a, d); err == nil {
		t.Error("two actions have one key")
	}
}
