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
	overList := q.layout.listHeight > 0 && (!q.layout.sideBySide || msg.X < q.layout.listWidth) &&
		msg.Y >= listTop && msg.Y < listTop+q.layout.listHeight
	q.noteRead()
	switch {
	case msg.Button == tea.MouseButtonWheelUp && overList:
		q.goTo(q.cursor.at - 1)
	case msg.Button == tea.MouseButtonWheelDown && overList:
		q.goTo(q.cursor.at + 1)
	case msg.Button == tea.MouseButtonWheelUp:
		q.preview.pager.Scroll(-wheelLines)
	case msg.Button == tea.MouseButtonWheelDown:
		q.preview.pager.Scroll(wheelLines)
	case msg.Button == tea.MouseButtonLeft && msg.Action == tea.MouseActionPress && overList:
		if at := q.window.Top + msg.Y - listTop; at < len(q.rows) {
			q.goTo(at)
		}
	}
}

// listTop is the line of the first row: below the tabs, the rule and the names of the columns.
const listTop = 3
