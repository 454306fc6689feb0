//go:build race

package twilio_test

// slower is how much more time the scenarios get: the race detector makes everything ten times slower.
const slower = 3
