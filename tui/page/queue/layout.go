package queue

// layout says which parts are on the screen and how big they are. Parts without room have height 0.
type layout struct {
	// sideBySide puts the list left of the preview, otherwise it is above.
	sideBySide            bool
	listWidth, listHeight int
	textWidth, textHeight int
}

const (
	// sideBySideFrom is the width from which list and preview stand side by side.
	sideBySideFrom = 100
	// stackedFrom is the height of both together from which they stand one above the other; below it, the preview is
	// one key away.
	stackedFrom = 13
	// The list beside the preview takes 11/20 of the width, and what the text does not need: longer lines are hard to
	// read.
	textMax = 110
	// around is what the tabs, the rule below them and the last rule take.
	around = 3
)

// divide returns the layout for a page of this size.
func divide(width, height int, whole bool) layout {
	room := max(height-around, 0)
	switch {
	case whole:
		return layout{textWidth: width - 2, textHeight: room}
	case width >= sideBySideFrom:
		listWidth := max(width*11/20, width-3-textMax)
		return layout{
			sideBySide: true,
			listWidth:  listWidth, listHeight: max(room-1, 0),
			textWidth: width - listWidth - 3, textHeight: room,
		}
	case room >= stackedFrom:
		listHeight := room*2/5 - 1
		return layout{
			listWidth: width, listHeight: listHeight,
			textWidth: width - 2, textHeight: room - listHeight - 2,
		}
	default:
		return layout{listWidth: width, listHeight: max(room-1, 0), textWidth: width - 2}
	}
}
