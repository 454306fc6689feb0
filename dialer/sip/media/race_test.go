//go:build race

package media_test

// The race detector makes everything several times as slow.
const loadCalls = 30
