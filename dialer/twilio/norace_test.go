//go:build !race

package twilio_test

// slower is how much more time the scenarios get.
const slower = 1
