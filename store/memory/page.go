package memory

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// page is the part of a list that a query asks for: those of rows that match, the first
// limit of them or the last; all where limit is 0.
type page[T any] struct {
	rows  []T
	down  bool // the list goes from the last row to the first
	last  bool
	limit int
}

// within is the page of rows, which ascend by id, of a list that descends by it.
func within[T any](rows []T, id func(T) string, behind, before string, limit int) page[T] {
	low, high := 0, len(rows)
	if before != "" {
		low = after(rows, id, before)
	}
	if behind != "" {
		high = max(low, sort.Search(len(rows), func(i int) bool { return id(rows[i]) >= behind }))
	}
	return page[T]{rows: rows[low:high], down: true, last: before != "", limit: limit}
}

func (p page[T]) find(match func(T) bool) []T {
	walk := slices.All(p.rows)
	if p.down != p.last {
		walk = slices.Backward(p.rows)
	}
	var out []T
	for _, row := range walk {
		if p.limit > 0 && len(out) == p.limit {
			break
		}
		if match(row) {
			out = append(out, row)
		}
	}
	if p.last {
		slices.Reverse(out)
	}
	return out
}

// after returns where in rows, which ascend by key, those above value begin.
func after[T any, K cmp.Ordered](rows []T, key func(T) K, value K) int {
	return sort.Search(len(rows), func(i int) bool { return key(rows[i]) > value })
}

func sorted[T any, K cmp.Ordered](rows iter.Seq[T], key func(T) K) []T {
	return slices.SortedFunc(rows, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func in[T comparable](of []T, value T) bool { return len(of) == 0 || slices.Contains(of, value) }
