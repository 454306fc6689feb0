package fake

// recent is a map that forgets its oldest entry when it is full, so that a carrier that
// runs for months does not grow.
type recent[K comparable, V any] struct {
	most   int
	values map[K]V
	order  []K // a ring once it is full
	oldest int
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, values: map[K]V{}}
}

func (r *recent[K, V]) put(key K, value V) {
	if r.most == 0 {
		return
	}
	_, known := r.values[key]
	r.values[key] = value
	switch {
	case known: // it keeps its place: a second entry would make the first one's turn forget it
	case len(r.order) < r.most:
		r.order = append(r.order, key)
	default:
		delete(r.values, r.order[r.oldest])
		r.order[r.oldest] = key
		r.oldest = (r.oldest + 1) % r.most
	}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	value, ok := r.values[key]
	return value, ok
}
