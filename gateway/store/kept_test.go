package store

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFirst: what is kept of any objects is the beginning of all of them, sorted.
func TestFirst(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 1, 2, 100, math.MaxInt} {
		for _, n := range []int{0, 1, 2, 3, 199, 5000} {
			all := make([]int, n)
			kept := first[int]{most: most, order: cmp.Compare[int]}
			for i := range all {
				all[i] = rand.IntN(1000)
				kept.add(all[i])
			}
			slices.Sort(all)
			want := all
			if most > 0 && most < n {
				want = all[:most]
			}
			if got := kept.sorted(); !slices.Equal(got, want) {
				t.Errorf("first %d of %d: %v, expected %v", most, n, got, want)
			}
		}
	}
}
