package batch

import (
	"container/heap"
	"maps"
	"slices"
)

// priority is a queue ordered by before, whose members know their place in it, so that
// one can be moved or taken out in O(log n).
type priority[T any] struct {
	members heapOf[T]
}

func newPriority[T any](before func(a, b T) bool, place func(T) *int) *priority[T] {
	return &priority[T]{heapOf[T]{before: before, place: place}}
}

func (p *priority[T]) len() int { return len(p.members.items) }

// first returns the member that comes before all others. There must be one.
func (p *priority[T]) first() T { return p.members.items[0] }

// put adds x, or moves it to where it belongs now.
func (p *priority[T]) put(x T) {
	if at := *p.members.place(x); at != 0 {
		heap.Fix(&p.members, at-1)
		return
	}
	heap.Push(&p.members, x)
}

// drop takes x out, if it is in.
func (p *priority[T]) drop(x T) {
	if at := *p.members.place(x); at != 0 {
		heap.Remove(&p.members, at-1)
	}
}

// clear takes all out, whatever became of their order.
func (p *priority[T]) clear() {
	for _, x := range p.members.items {
		*p.members.place(x) = 0
	}
	clear(p.members.items) // or the slice keeps them alive
	p.members.items = p.members.items[:0]
}

// heapOf implements heap.Interface. A member's place is its index plus 1; 0: not in.
type heapOf[T any] struct {
	items  []T
	before func(a, b T) bool
	place  func(T) *int
}

func (h *heapOf[T]) Len() int           { return len(h.items) }
func (h *heapOf[T]) Less(i, j int) bool { return h.before(h.items[i], h.items[j]) }

func (h *heapOf[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.place(h.items[i]), *h.place(h.items[j]) = i+1, j+1
}

// Push implements heap.Interface.
func (h *heapOf[T]) Push(x any) {
	v := x.(T) //nolint:forcetypeassert // only put calls it
	h.items = append(h.items, v)
	*h.place(v) = len(h.items)
}

// Pop implements heap.Interface.
func (h *heapOf[T]) Pop() any {
	last := len(h.items) - 1
	v := h.items[last]
	var none T
	h.items[last] = none // or the slice keeps it alive
	h.items = h.items[:last]
	*h.place(v) = 0
	return v
}

// inOrder returns what a map has, by ascending key, for whoever does something to one after the other.
func inOrder[T any](m map[string]T) []T {
	all := make([]T, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[key])
	}
	return all
}
