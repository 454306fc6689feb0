//go:build !race

package media_test

const loadCalls = 200
