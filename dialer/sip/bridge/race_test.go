//go:build race

package bridge_test

// loadCalls are few where each of them costs ten times as much.
const loadCalls = 20
