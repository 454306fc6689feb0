package twilio_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/dialer/twilio"
)

func TestATokenIsOfItsCallOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id, agent := rapid.String().Draw(t, "id"), "wss://"+rapid.StringN(0, 200, 300).Draw(t, "agent")
		sealed := twilio.Token("new", id, agent)
		require.LessOrEqual(t, len(sealed)+len("outdial-token"), 500)
		opened, ok := twilio.OpenToken([]string{"other", "new"}, id, sealed)
		require.True(t, ok)
		require.Equal(t, agent, opened)
		require.NotEqual(t, sealed, twilio.Token("new", id, agent), "there are no two alike")
		for _, wrong := range []string{sealed[1:], sealed + "A", "", "x" + sealed[1:], strings.ToUpper(sealed) + "_"} {
			if wrong != sealed {
				_, ok = twilio.OpenToken([]string{"new"}, id, wrong)
				require.False(t, ok)
			}
		}
		_, ok = twilio.OpenToken([]string{"new"}, id+"x", sealed)
		require.False(t, ok)
		_, ok = twilio.OpenToken([]string{"other", ""}, id, sealed)
		require.False(t, ok)
	})
	opened, ok := twilio.OpenToken([]string{"t"}, "call", twilio.Token("t", "call", "wss://"+strings.Repeat("x", 400)))
	require.True(t, ok, "one that is too long is left out")
	require.Empty(t, opened)
}
