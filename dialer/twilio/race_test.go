//go:build race

package twilio_test

// slower is how much more time the scenarios get: the race detector makes everything ten times slower.
const slower = 2

// punctual says that time limits end what they are meant to end. With a thousand calls under the
// race detector and other packages' tests beside it some run out for want of a processor, so
// only what must hold however slow everything is can be asked for: that nobody is called twice.
const punctual = false
