//go:build !race

package twilio_test

// slower is how much more time the scenarios get.
const slower = 1

// punctual says that time limits end what they are meant to end.
const punctual = true
