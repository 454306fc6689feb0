//go:build !race

package bridge_test

const loadCalls = 200
