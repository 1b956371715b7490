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
	if runes := []rune(name); len(runes) == 1 && name != " " || strings.HasPrefix(name, byName) {
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

// Check reports every wish that cannot be met. Wishes map the words of a binding, for example "approve", to the names of
// keys, separated by spaces; each of the lists is what works at the same time.
func Check(wishes map[string]string, lists ...[]*key.Binding) error {
	var faults []string
	for _, words := range sorted(wishes) {
		names := strings.Fields(wishes[words])
		if !named(words, slices.Concat(lists...)) {
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
	for _, list := range lists {
		if _, err := takers(wishes, list); err != nil {
			return err
		}
	}
	return nil
}

// Give gives bindings the keys that people wish for. What is wished for another of them, or for one of those that work
// beside them, is taken away.
func Give(wishes map[string]string, bindings []*key.Binding, beside ...*key.Binding) {
	if len(wishes) == 0 {
		return
	}
	taken, _ := takers(wishes, slices.Concat(bindings, beside)) // Check reported the error
	for _, b := range bindings {
		if wish, wished := wishes[b.Help().Desc]; wished {
			set(b, strings.Fields(wish))
			continue
		}
		left := slices.DeleteFunc(slices.Clone(b.Keys()), func(name string) bool { return taken[name] != "" })
		if len(left) != len(b.Keys()) {
			set(b, left)
		}
	}
}

// takers returns the words that get each key that is wished for, among these bindings.
func takers(wishes map[string]string, bindings []*key.Binding) (map[string]string, error) {
	taken := map[string]string{}
	for _, words := range sorted(wishes) {
		if !named(words, bindings) {
			continue
		}
		for _, name := range strings.Fields(wishes[words]) {
			if other, twice := taken[spelled(name)]; twice {
				return nil, fmt.Errorf("keys: %s is wanted for %q and for %q", name, other, words) //nolint:err113 // as above
			}
			taken[spelled(name)] = words
		}
	}
	return taken, nil
}

func named(words string, bindings []*key.Binding) bool {
	return slices.ContainsFunc(bindings, func(b *key.Binding) bool { return b.Help().Desc == words })
}

// set gives a binding other keys and shows the first of them. Without any, it still can be called by its name.
func set(b *key.Binding, names []string) {
	names = slices.Clone(names)
	for i, name := range names {
		names[i] = spelled(name)
	}
	shown := ""
	if len(names) > 0 {
		shown = strings.ReplaceAll(names[0], "+", "-")
	} else {
		names = []string{byName + b.Help().Desc}
	}
	if shown == " " {
		shown = "space"
	}
	b.SetKeys(names...)
	b.SetHelp(shown, b.Help().Desc)
}

// byName begins the key of a binding that has no other. No terminal sends such a key: a null byte comes as ctrl+@.
const byName = "\x00"

// ByName reports whether a key is the name of an action.
func ByName(msg tea.KeyMsg) bool {
	return msg.Type == tea.KeyRunes && !msg.Paste && len(msg.Runes) > 0 && string(msg.Runes[0]) == byName
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
