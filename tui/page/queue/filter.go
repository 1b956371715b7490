package queue

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/search"
)

// filterLimit is how many characters a filter may have.
const filterLimit = 200

// startFilter opens the line in which the filter is typed or, while the text has the whole room, what is looked for in that.
func (q *Queue) startFilter() {
	if q.whole {
		q.seek = search.New(q.Look)
		return
	}
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

// typeSeek takes a key while the text is searched.
func (q *Queue) typeSeek(msg tea.KeyMsg) tea.Cmd {
	over, cmd := q.seek.Update(msg, &q.preview.pager)
	if over {
		q.seek = nil
	}
	return cmd
}
