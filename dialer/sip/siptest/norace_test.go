//go:build !race

package siptest

const raceDetector = false
