package list_test

import (
	"testing"

	"github.com/aip-dev/aip-dev/tui/part/list"
)

func TestShow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		top, row, total int
		want            int
	}{
		{"already there", 5, 7, 100, 5},
		{"above", 5, 2, 100, 2},
		{"below", 5, 20, 100, 11},
		{"short list", 5, 2, 4, 0},
		{"list became shorter", 95, 50, 52, 42},
		{"nothing selected", 5, -1, 0, 0},
	} {
		if got := (list.Window{Top: c.top, Height: 10}).Show(c.row, c.total).Top; got != c.want {
			t.Errorf("%s: top %d, want %d", c.name, got, c.want)
		}
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                      string
		top, before, after, total int
		want                      int
	}{
		{"three came above", 5, 8, 11, 100, 8},
		{"three went above", 5, 8, 5, 100, 2},
		{"first row, two came above", 0, 0, 2, 100, 2},
		{"too few left above", 2, 8, 3, 100, 0},
		{"too few left below", 80, 85, 85, 86, 76},
	} {
		if got := (list.Window{Top: c.top, Height: 10}).Keep(c.before, c.after, c.total).Top; got != c.want {
			t.Errorf("%s: top %d, want %d", c.name, got, c.want)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	if first, last := (list.Window{Top: 3, Height: 4}).Rows(5); first != 3 || last != 5 {
		t.Errorf("rows %d to %d, want 3 to 5", first, last)
	}
}
