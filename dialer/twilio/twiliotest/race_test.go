//go:build race

package twiliotest_test

const isRace = true
