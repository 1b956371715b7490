package queue

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/keys"
)

// keyMap are the keys of the page. No two are the same, and Enter decides nothing.
type keyMap struct {
	approve, deny, approveUnread             key.Binding
	up, down, first, last, pageUp, pageDown  key.Binding
	textUp, textDown, textHalfUp, textHalfDn key.Binding
	textPageUp, textPageDn, textHome         key.Binding
	next, open, back, filter                 key.Binding
	tab, tabBack, tabAt                      key.Binding
	mark, markRange, group, undo             key.Binding
	shape, copy, grade, look                 key.Binding
	grant, endGrants                         key.Binding
	send, cancel, accept                     key.Binding
}

func bind(keys []string, shown, does string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, does))
}

func newKeyMap() keyMap {
	return keyMap{
		approve:       bind([]string{"a"}, "a", "approve"),
		deny:          bind([]string{"d"}, "d", "deny"),
		approveUnread: bind([]string{"ctrl+a"}, "ctrl-a", "approve unread"),
		up:            bind([]string{"up", "k"}, "k", "up"),
		down:          bind([]string{"down", "j"}, "j", "down"),
		first:         bind([]string{"home", "<"}, "home", "first"),
		last:          bind([]string{"end", "G", ">"}, "G", "last"),
		pageUp:        bind([]string{"ctrl+b"}, "ctrl-b", "page up"),
		pageDown:      bind([]string{"ctrl+f"}, "ctrl-f", "page down"),
		textUp:        bind([]string{"shift+up"}, "shift-up", "text up"),
		textDown:      bind([]string{"shift+down"}, "shift-down", "text down"),
		textHalfUp:    bind([]string{"ctrl+u"}, "ctrl-u", "half a text page up"),
		textHalfDn:    bind([]string{"ctrl+d"}, "ctrl-d", "half a text page down"),
		textPageUp:    bind([]string{"K", "pgup"}, "K", "read back"),
		textPageDn:    bind([]string{"J", "pgdown"}, "J", "read on"),
		textHome:      bind([]string{"0"}, "0", "text from the top"),
		next:          bind([]string{"n"}, "n", "next to decide"),
		mark:          bind([]string{" "}, "space", "mark"),
		markRange:     bind([]string{"v"}, "v", "mark from the last mark to here"),
		group:         bind([]string{"g"}, "g", "mark those like this"),
		shape:         bind([]string{"o"}, "o", "other form: YAML, JSON, difference"),
		grade:         bind([]string{"e"}, "e", "grade"),
		look:          bind([]string{"r"}, "r", "look again"),
		grant:         bind([]string{"t"}, "t", "grant for a time"),
		endGrants:     bind([]string{"x"}, "x", "end the grants"),
		copy:          bind([]string{"y"}, "y", "copy"),
		undo:          bind([]string{"u"}, "u", "take back"),
		open:          bind([]string{"enter"}, "enter", "whole"),
		back:          bind([]string{"esc"}, "esc", "back"),
		filter:        bind([]string{"/"}, "/", "filter"),
		tab:           bind([]string{"tab"}, "tab", "next tab"),
		tabBack:       bind([]string{"shift+tab"}, "shift-tab", "tab before"),
		tabAt:         bind([]string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, "1-9", "tab by number"),
		send:          bind([]string{"enter"}, "enter", "send"),
		cancel:        bind([]string{"esc"}, "esc", "back"),
		accept:        bind([]string{"enter"}, "enter", "keep the filter"),
	}
}

// Bindings implements page.Rebindable. The keys of the forms are not among them.
func (q *Queue) Bindings() []*key.Binding {
	k := &q.keys
	return []*key.Binding{
		&k.approve, &k.deny, &k.approveUnread, &k.up, &k.down, &k.first, &k.last, &k.pageUp, &k.pageDown, &k.textUp, &k.textDown,
		&k.textHalfUp, &k.textHalfDn, &k.textPageUp, &k.textPageDn, &k.textHome, &k.next, &k.open, &k.filter, &k.tab, &k.tabBack,
		&k.mark, &k.markRange, &k.group, &k.undo, &k.shape, &k.copy, &k.grade, &k.look, &k.grant, &k.endGrants, &k.back,
	}
}

// shown is how a key is named in the middle of other words: without one, by the list of all commands.
func shown(k key.Binding) string { return cmp.Or(k.Help().Key, "the list of commands") }

// Keys implements page.Page.
func (q *Queue) Keys() []page.Key {
	k := q.keys
	switch {
	case q.form != nil:
		return []page.Key{{Binding: k.send, Off: q.form.blocked(q)}, {Binding: k.cancel}}
	case q.search != nil:
		return []page.Key{{Binding: k.accept}, {Binding: k.cancel}}
	case q.seek != nil:
		return []page.Key{{Binding: q.seek.Next}, {Binding: q.seek.Back}}
	}
	var keys []page.Key
	if len(q.grants) > 0 {
		keys = append(keys, page.Key{Binding: k.endGrants})
	}
	if len(q.rows) == 0 {
		return slices.Concat(keys, q.filterKeys(), q.tabKeys())
	}
	keys = append(keys, q.decisionKeys()...)
	if q.preview.pager.Below() > 0 && q.layout.textHeight > 0 {
		keys = append(keys, page.Key{Binding: k.textPageDn})
	}
	if q.whole {
		keys = append(keys, page.Key{Binding: k.back})
	} else {
		keys = append(keys, page.Key{Binding: k.open})
	}
	if nextWaiting(q.rows, q.cursor.at, q.undecided) >= 0 {
		keys = append(keys, page.Key{Binding: k.next})
	}
	keys = append(keys, q.markKeys()...)
	keys = append(keys, page.Key{Binding: k.copy})
	if cause, ok := q.whyNoLook(); ok {
		keys = append(keys, page.Key{Binding: k.look, Off: cause})
	}
	keys = append(keys, q.filterKeys()...)
	keys = append(keys, q.tabKeys()...)
	if len(q.rows) > 1 || q.whole && q.preview.pager.Len() > q.preview.pager.Height() {
		keys = append(keys, page.Key{Binding: k.down}, page.Key{Binding: k.up}, page.Key{Binding: k.first},
			page.Key{Binding: k.last}, page.Key{Binding: k.pageDown}, page.Key{Binding: k.pageUp})
	}
	keys = append(keys, q.textKeys()...)
	if q.layout.textHeight > 0 {
		keys = append(keys, page.Key{Binding: k.shape})
	}
	return keys
}

// decisionKeys are the keys that decide, and the one that takes a decision back.
func (q *Queue) decisionKeys() []page.Key {
	k := q.keys
	approve, deny := k.approve, k.deny
	if n := len(q.marks); n > 0 {
		approve.SetHelp(approve.Help().Key, fmt.Sprintf("approve %d marked", n))
		deny.SetHelp(deny.Help().Key, fmt.Sprintf("deny %d marked", n))
	}
	var keys []page.Key
	if len(q.held) > 0 {
		keys = append(keys, page.Key{Binding: k.undo})
	}
	keys = append(keys, page.Key{Binding: approve, Off: q.whyNot(true)}, page.Key{Binding: deny, Off: q.whyNot(false)})
	if q.onlyUnread() {
		keys = append(keys, page.Key{Binding: k.approveUnread})
	}
	if cause, ok := q.whyNoGrant(); ok {
		keys = append(keys, page.Key{Binding: k.grant, Off: cause})
	}
	if q.gradable() {
		keys = append(keys[:0:0], page.Key{Binding: k.grade, Off: q.whyNotGrade()})
	}
	return keys
}

// markKeys are the keys that mark, as far as there is anything to mark.
func (q *Queue) markKeys() []page.Key {
	k := q.keys
	if q.ReadOnly {
		return nil
	}
	var keys []page.Key
	if _, marked := q.marks[q.cursor.key]; marked || !q.cursor.gone && q.markable(q.cursor.item) == "" {
		keys = append(keys, page.Key{Binding: k.mark})
	}
	if len(q.marks) > 0 {
		unmark := k.back
		unmark.SetHelp(unmark.Help().Key, "no marks")
		keys = append(keys, page.Key{Binding: unmark}, page.Key{Binding: k.markRange})
	}
	if q.likes > 0 {
		keys = append(keys, page.Key{Binding: k.group})
	}
	return keys
}

// textKeys are the keys that move the text, but for the one that reads on.
func (q *Queue) textKeys() []page.Key {
	k := q.keys
	var keys []page.Key
	if q.layout.textHeight == 0 {
		return nil
	}
	if q.preview.pager.Below() > 0 {
		keys = append(keys, page.Key{Binding: k.textDown}, page.Key{Binding: k.textHalfDn})
	}
	if q.preview.pager.Above() > 0 {
		keys = append(keys, page.Key{Binding: k.textUp}, page.Key{Binding: k.textPageUp}, page.Key{Binding: k.textHalfUp},
			page.Key{Binding: k.textHome})
	}
	return keys
}

// filterKeys are the keys about the filter.
func (q *Queue) filterKeys() []page.Key {
	filter := q.keys.filter
	if q.whole {
		filter.SetHelp(filter.Help().Key, "search the text")
	}
	keys := []page.Key{{Binding: filter}}
	if q.filter != "" && !q.whole {
		clearing := q.keys.back
		clearing.SetHelp(clearing.Help().Key, "no filter")
		keys = append(keys, page.Key{Binding: clearing})
	}
	return keys
}

// pressAll does what several keys ask for that the terminal handed over at once, as it does with a key held down.
// Deciding keys count only when they come alone: what was typed blindly may be meant for something else. Pasted text
// is no keys at all.
func (q *Queue) pressAll(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || len(msg.Runes) == 1 || keys.ByName(msg) {
		return q.press(msg)
	}
	if msg.Paste {
		return nil
	}
	for i := range msg.Runes {
		if q.search != nil {
			return q.typeFilter(tea.KeyMsg{Type: tea.KeyRunes, Runes: msg.Runes[i:]})
		}
		if q.seek != nil {
			return q.typeSeek(tea.KeyMsg{Type: tea.KeyRunes, Runes: msg.Runes[i:]})
		}
		one := tea.KeyMsg{Type: tea.KeyRunes, Runes: msg.Runes[i : i+1]}
		if key.Matches(one, q.keys.approve, q.keys.deny, q.keys.grant) {
			return nil
		}
		q.press(one)
	}
	return nil
}

// press does what a key asks for while nothing is being typed.
func (q *Queue) press(msg tea.KeyMsg) tea.Cmd {
	k := q.keys
	for _, m := range []struct {
		on key.Binding
		do func() tea.Cmd
	}{
		{k.approve, func() tea.Cmd { return q.ask(true, false) }},
		{k.approveUnread, func() tea.Cmd { return q.ask(true, true) }},
		{k.deny, func() tea.Cmd { return q.ask(false, false) }},
		{k.undo, q.takeBack},
		{k.grade, q.startGrade},
		{k.look, q.lookAgain},
		{k.grant, q.startGrant},
		{k.endGrants, q.endGrants},
	} {
		if key.Matches(msg, m.on) {
			return m.do()
		}
	}
	switch {
	case key.Matches(msg, k.open):
		q.setWhole(!q.whole && len(q.rows) > 0)
	case key.Matches(msg, k.back):
		q.leave()
	case key.Matches(msg, k.filter):
		q.startFilter()
	case key.Matches(msg, k.tab, k.tabBack, k.tabAt):
		q.pressTab(msg)
	case !q.ReadOnly && key.Matches(msg, k.mark, k.markRange, k.group):
		q.pressMark(msg)
	case key.Matches(msg, k.shape):
		q.preview.shape = (q.preview.shape + 1) % shapes
	case key.Matches(msg, k.copy):
		q.copying = len(q.rows) > 0
	case key.Matches(msg, k.next):
		if at := nextWaiting(q.rows, q.cursor.at, q.undecided); at >= 0 {
			q.goTo(at)
		}
	default:
		q.move(msg)
	}
	return nil
}

// pressMark does what a key asks for that marks.
func (q *Queue) pressMark(msg tea.KeyMsg) {
	switch k := q.keys; {
	case len(q.rows) == 0:
	case key.Matches(msg, k.mark):
		q.mark()
	case key.Matches(msg, k.markRange):
		q.markRange()
	default:
		q.markAlike()
	}
}

// move does what a key asks for that moves the cursor or the text. While the text has the whole room, the arrows move
// the text.
func (q *Queue) move(msg tea.KeyMsg) {
	k, text := q.keys, &q.preview.pager
	page := max(text.Height()-1, 1)
	rows := max(q.layout.listHeight, 1)
	step := func(n int) {
		if q.whole {
			text.Scroll(n)
			return
		}
		q.goTo(q.cursor.at + n)
	}
	for _, m := range []struct {
		on key.Binding
		do func()
	}{
		{k.textUp, func() { text.Scroll(-1) }},
		{k.textDown, func() { text.Scroll(1) }},
		{k.textHalfUp, func() { text.Scroll(-(page + 1) / 2) }},
		{k.textHalfDn, func() { text.Scroll((page + 1) / 2) }},
		{k.textPageUp, func() { text.Scroll(-page) }},
		{k.textPageDn, func() { text.Scroll(page) }},
		{k.textHome, text.Home},
		{k.up, func() { step(-1) }},
		{k.down, func() { step(1) }},
		{k.pageUp, func() { step(-rows) }},
		{k.pageDown, func() { step(rows) }},
		{k.first, func() { step(-max(len(q.rows), text.Len())) }},
		{k.last, func() { step(max(len(q.rows), text.Len())) }},
	} {
		if key.Matches(msg, m.on) {
			m.do()
			return
		}
	}
}

// tabKeys are the keys that choose a tab.
func (q *Queue) tabKeys() []page.Key {
	names := make([]string, len(q.tabs))
	for i, t := range q.tabs {
		names[i] = "tab " + t.Name
	}
	return []page.Key{{Binding: q.keys.tab}, {Binding: q.keys.tabBack}, {Binding: q.keys.tabAt, Each: names}}
}

// pressTab does what a key asks for that chooses a tab.
func (q *Queue) pressTab(msg tea.KeyMsg) {
	to := q.tab
	switch k := q.keys; {
	case key.Matches(msg, k.tab):
		to = (q.tab + 1) % len(q.tabs)
	case key.Matches(msg, k.tabBack):
		to = (q.tab + len(q.tabs) - 1) % len(q.tabs)
	case int(msg.Runes[0]-'1') < len(q.tabs):
		to = int(msg.Runes[0] - '1')
	}
	q.setWhole(false)
	q.tab = to
	q.refill()
}

// setWhole gives the preview the whole room, or takes it back.
func (q *Queue) setWhole(whole bool) {
	q.whole = whole
	q.arrange()
}

// leave goes one step back: from the whole text to the list, then to no marks, then from the filter to everything.
func (q *Queue) leave() {
	switch {
	case q.whole:
		q.setWhole(false)
	case len(q.marks) > 0:
		clear(q.marks)
	case q.filter != "":
		q.filter = ""
		q.refill()
	}
}
