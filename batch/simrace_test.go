//go:build race

package batch

// simFewer is how many times fewer seeds are played, since each takes that much longer.
const simFewer = 8
