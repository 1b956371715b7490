package queue

import (
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

func TestMouse(t *testing.T) {
	atDesk(t, 120, 18, 8, func(d *desk) {
		click := func(x, y int, button tea.MouseButton) {
			d.Send(tea.MouseMsg{X: x, Y: y, Button: button, Action: tea.MouseActionPress})
		}
		click(10, listTop+4, tea.MouseButtonLeft)
		d.wantHighlighted(4)
		click(10, listTop+4, tea.MouseButtonWheelDown)
		d.wantHighlighted(5)
		click(100, listTop+4, tea.MouseButtonWheelDown)
		d.wantHighlighted(5)
		if d.queue.preview.pager.Above() == 0 {
			d.Error("the wheel does not move the text")
		}
		click(10, 100, tea.MouseButtonLeft)
		click(10, listTop+9, tea.MouseButtonLeft)
		d.wantHighlighted(5)
		d.Press("d")
		click(10, listTop, tea.MouseButtonLeft)
		if d.gateway.Calls() != 0 || d.queue.form.item().Name != "r-00005" {
			d.Error("the mouse changed what is decided")
		}
	})
}
