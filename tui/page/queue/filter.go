package queue

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/part/prompt"
)

// filterLimit is how many characters a filter may have.
const filterLimit = 200

// startFilter opens the line in which the filter is typed.
func (q *Queue) startFilter() {
	q.setWhole(false)
	line := prompt.New(q.Look, filterLimit)
	line.SetValue(q.filter)
	q.search = &line
}

// typeFilter takes a key while the filter is typed. The rows follow each key.
func (q *Queue) typeFilter(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, q.keys.accept):
		q.search = nil
		return nil
	case key.Matches(msg, q.keys.cancel):
		q.search = nil
		q.filter = ""
		q.refill()
		return nil
	}
	cmd := q.search.Update(msg)
	if typed := q.search.Value(); typed != q.filter {
		q.filter = typed
		q.refill()
	}
	return cmd
}
