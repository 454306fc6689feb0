package dialertest

import "runtime"

// allStacks returns the stacks of all goroutines, that of the caller first.
func allStacks() string {
	const first = 1 << 20
	for size := first; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return string(buffer[:n])
		}
	}
}
