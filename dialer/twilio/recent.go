package twilio

// recent is a map that keeps the latest entries only. It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	most   int
	values map[K]V
	order  []K // a ring once it is full
	next   int
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, values: map[K]V{}}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	v, ok := r.values[key]
	return v, ok
}

// put replaces the value of a key without making it any later.
func (r *recent[K, V]) put(key K, value V) {
	_, has := r.values[key]
	r.values[key] = value
	if has {
		return
	}
	if len(r.order) < r.most {
		r.order = append(r.order, key)
		return
	}
	delete(r.values, r.order[r.next])
	r.order[r.next] = key
	r.next = (r.next + 1) % r.most
}
