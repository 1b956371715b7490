// Package keys turns the names of keys into keys, and lets people choose other names for them.
package keys

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// Press returns the message of the key with this name, as bubbletea names it, for example "a", "enter" or "ctrl+a"; ok
// is false when there is no such key.
func Press(name string) (msg tea.KeyMsg, ok bool) {
	if runes := []rune(name); len(runes) == 1 && name != " " {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: runes}, true
	}
	if name == "space" || name == " " {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}, true
	}
	// Key types are small numbers on both sides of zero; their names are unique but for a few aliases.
	const most = 128
	for t := tea.KeyType(-most); t < most; t++ {
		if t != tea.KeyRunes && (tea.Key{Type: t}).String() == name {
			return tea.KeyMsg{Type: t}, true
		}
	}
	return tea.KeyMsg{}, false
}

// Rebind gives bindings other keys: wishes maps the words of a binding, for example "approve", to the names of keys,
// separated by spaces. It reports every wish that cannot be met, and changes nothing then.
func Rebind(wishes map[string]string, bindings ...*key.Binding) error {
	var faults []string
	for _, words := range sorted(wishes) {
		names := strings.Fields(wishes[words])
		at := slices.IndexFunc(bindings, func(b *key.Binding) bool { return b.Help().Desc == words })
		if at < 0 {
			faults = append(faults, fmt.Sprintf("there is no action %q", words))
		}
		if len(names) == 0 {
			faults = append(faults, fmt.Sprintf("%q has no key", words))
		}
		for _, name := range names {
			if _, ok := Press(name); !ok {
				faults = append(faults, fmt.Sprintf("%q is no key, expected a name such as a, ctrl+a or f2", name))
			}
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("keys: %s", strings.Join(faults, "; ")) //nolint:err113 // a list of faults of a file
	}
	taken := map[string]string{}
	for _, words := range sorted(wishes) {
		for _, name := range strings.Fields(wishes[words]) {
			if other, twice := taken[spelled(name)]; twice {
				return fmt.Errorf("keys: %s is wanted for %q and for %q", name, other, words) //nolint:err113 // as above
			}
			taken[spelled(name)] = words
		}
	}
	for _, b := range bindings {
		if wish, ok := wishes[b.Help().Desc]; ok {
			set(b, strings.Fields(wish))
		}
	}
	// What was wished for is taken away from everybody else.
	for _, b := range bindings {
		if _, wished := wishes[b.Help().Desc]; wished {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(b.Keys()), func(name string) bool { _, gone := taken[name]; return gone })
		if len(left) != len(b.Keys()) {
			set(b, left)
		}
	}
	return nil
}

// set gives a binding other keys and shows the first of them.
func set(b *key.Binding, names []string) {
	for i, name := range names {
		names[i] = spelled(name)
	}
	b.SetKeys(names...)
	shown := ""
	if len(names) > 0 {
		shown = strings.ReplaceAll(names[0], "+", "-")
	}
	if shown == " " {
		shown = "space"
	}
	b.SetHelp(shown, b.Help().Desc)
}

// spelled is the name that bubbletea has for a key.
func spelled(name string) string {
	if name == "space" {
		return " "
	}
	return name
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
