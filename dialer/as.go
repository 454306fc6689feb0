package dialer

// As finds the first of d, and of what d wraps, that is a T: an optional interface of this
// package, or a carrier's own type. A dialer that wraps another one tells which by a method
// Unwrap() Dialer.
//
// [Resumer] and [Limiter] are not to be found like this: who wraps a dialer decides whether
// what it makes is one.
func As[T any](d Dialer) (T, bool) {
	for d != nil {
		if t, ok := d.(T); ok {
			return t, true
		}
		w, ok := d.(interface{ Unwrap() Dialer })
		if !ok {
			break
		}
		d = w.Unwrap()
	}
	var none T
	return none, false
}
