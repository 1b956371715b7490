package pager_test

import (
	"slices"
	"testing"

	"github.com/aip-dev/aip-dev/tui/part/pager"
)

func TestPager(t *testing.T) {
	t.Parallel()
	var p pager.Pager
	check := func(step string, visible []string, above, below int, atEnd bool) {
		t.Helper()
		if !slices.Equal(p.Visible(), visible) || p.Above() != above || p.Below() != below || p.AtEnd() != atEnd {
			t.Errorf("%s: %q, %d above, %d below, at end %t; want %q, %d, %d, %t",
				step, p.Visible(), p.Above(), p.Below(), p.AtEnd(), visible, above, below, atEnd)
		}
	}
	check("zero", nil, 0, 0, false)
	p.SetLines([]string{"a", "b", "c", "d"})
	check("no room", nil, 0, 4, false)
	p.SetHeight(2)
	check("start", []string{"a", "b"}, 0, 2, false)
	p.Scroll(1)
	check("one down", []string{"b", "c"}, 1, 1, false)
	p.Scroll(10)
	check("past the end", []string{"c", "d"}, 2, 0, true)
	p.SetLines([]string{"a", "b", "c"})
	check("shorter", []string{"b", "c"}, 1, 0, true)
	p.Scroll(-10)
	check("past the start", []string{"a", "b"}, 0, 1, false)
	p.End()
	p.SetHeight(9)
	check("all fits", []string{"a", "b", "c"}, 0, 0, true)
	p.SetHeight(-1)
	check("negative", nil, 0, 3, false)
}
