package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// listing is how objects of the gateway are listed.
type listing[T any] struct {
	// none is what is said, on the standard error, when there are none.
	none string
	name func(*T) string
	head []string
	// row returns the cells of an object; what agents wrote in them has been made harmless.
	row func(*T) []string
}

// print prints objects in a format of outputFlag: as JSON, their names, or a table.
func (l listing[T]) print(a *app, format string, found []T) error {
	var b strings.Builder
	switch {
	case format == formatJSON:
		return a.printJSON(found)
	case format == formatName:
		for i := range found {
			fmt.Fprintln(&b, l.name(&found[i]))
		}
		return a.print(b.String())
	case len(found) == 0:
		_, err := fmt.Fprintln(a.errOut, l.none)
		return err
	}
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(l.head, "\t"))
	for i := range found {
		fmt.Fprintln(w, strings.Join(l.row(&found[i]), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}
