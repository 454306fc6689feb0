package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a bar looks like is mpb's affair; that nothing is lost and that it ends is ours.
func TestBarEndsAndLosesNoMessage(t *testing.T) {
	out := &listener{}
	b := newBar(out, 10)
	b.draw(progress{total: 10, over: 4, queued: 6})
	b.say("a message")
	b.close()
	b.say("a late message")
	require.Contains(t, out.String(), "a message\n")
	require.Contains(t, out.String(), "a late message\n")
}
