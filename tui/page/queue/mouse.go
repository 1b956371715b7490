package queue

import tea "github.com/charmbracelet/bubbletea"

// wheelLines is how far one notch of the wheel goes.
const wheelLines = 3

// pointAt does what the mouse asks for: a click chooses a row or a tab, the wheel moves what is under it. The mouse
// never decides anything.
func (q *Queue) pointAt(msg tea.MouseMsg) {
	if q.Prompt() != nil {
		return
	}
	q.touched = true
	q.noteRead()
	if !q.overList(msg) {
		q.preview.pager.Scroll(wheelLines * notch(msg))
		return
	}
	if by := notch(msg); by != 0 {
		q.goTo(q.cursor.at + by)
		return
	}
	at := q.window.Top + msg.Y - listTop
	if msg.Button == tea.MouseButtonLeft && msg.Action == tea.MouseActionPress && at < len(q.rows) {
		q.goTo(at)
	}
}

func (q *Queue) overList(msg tea.MouseMsg) bool {
	beside := !q.layout.sideBySide || msg.X < q.layout.listWidth
	return beside && msg.Y >= listTop && msg.Y < listTop+q.layout.listHeight
}

// notch returns which way the wheel was turned: -1 is up, 0 not at all.
func notch(msg tea.MouseMsg) int {
	switch msg.Button {
	case tea.MouseButtonWheelUp:
		return -1
	case tea.MouseButtonWheelDown:
		return 1
	default:
		return 0
	}
}

// listTop is the line of the first row: below the tabs, the rule and the names of the columns.
const listTop = 3
