// Package list computes which rows of a long list are on the screen, so that only those are drawn and the one under
// the cursor stays where it is while others come and go.
package list

// Window is the part of a list that is on the screen: Height rows from row Top on.
type Window struct {
	Top, Height int
}

// Show returns the window moved as little as possible so that row is in it, for a list of total rows.
func (w Window) Show(row, total int) Window {
	w.Top = min(w.Top, row)
	w.Top = max(w.Top, row-w.Height+1)
	return w.clamp(total)
}

// Keep returns the window moved so that the row that was number before and is number after stays on its line of the
// screen, as far as the ends of the list allow.
func (w Window) Keep(before, after, total int) Window {
	w.Top += after - before
	return w.clamp(total)
}

// Rows returns the rows that are on the screen, from first up to but without last.
func (w Window) Rows(total int) (first, last int) {
	return min(w.Top, total), min(w.Top+w.Height, total)
}

func (w Window) clamp(total int) Window {
	w.Top = max(0, min(w.Top, total-w.Height))
	return w
}
