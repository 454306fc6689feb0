//go:build !race

package batch

// simFewer is how many times fewer seeds are played.
const simFewer = 1
