//go:build race

package siptest

// raceDetector says that every byte has a shadow.
const raceDetector = true
