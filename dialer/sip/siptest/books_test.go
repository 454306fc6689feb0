package siptest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// live is a call that the carrier has answered.
type live struct{ acked, over bool }

// left returns what is wrong at the carrier when all is over: every call that it answered has to be
// acknowledged, and hung up by one of the two.
func left(trace []message) []string {
	calls := map[string]*live{}
	for _, m := range trace {
		theirs, ours := calls[m.head["call-id"]+" "+m.tag("from")], calls[m.head["call-id"]+" "+m.tag("to")]
		switch {
		case m.sent && m.isResponse() && m.method() == "INVITE" && m.code()[0] == '2':
			if ours == nil { // else it answers a re-INVITE
				calls[m.head["call-id"]+" "+m.tag("to")] = &live{}
			}
		case m.isResponse():
		case m.sent && m.method() == "BYE" && theirs != nil:
			theirs.over = true
		case !m.sent && m.method() == "BYE" && ours != nil:
			ours.over = true
		case !m.sent && m.method() == "ACK" && ours != nil:
			ours.acked = true
		}
	}
	var all []string
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		if !calls[id].acked {
			all = append(all, "the answer was not acknowledged: "+id)
		}
		if !calls[id].over {
			all = append(all, "the call is left live: "+id)
		}
	}
	return all
}

// balanced checks that nothing is left at the carrier.
func balanced(tb testing.TB, trace []message) {
	tb.Helper()
	require.Empty(tb, left(trace), "%s", ladder(trace))
}

func TestBooks(t *testing.T) {
	t.Parallel()
	const line = "----------------------------------------------- 2026-01-01\t00:00:00.000001\n"
	received := func(first, cseq, from, to string) string {
		return line + "UDP message received [9] bytes :\n\n" + first + "\r\nVia: x\r\nFrom: <sip:a@b>" + from +
			"\r\nTo: <sip:c@d>" + to + "\r\nCall-ID: 1\r\nCSeq: " + cseq + "\r\n\r\n"
	}
	sent := func(first, cseq, from, to string) string {
		return line + "UDP message sent (9 bytes):\n\n" + received(first, cseq, from, to)[len(line+"UDP message received [9] bytes :\n\n"):]
	}
	invite := received("INVITE sip:c@d SIP/2.0", "1 INVITE", ";tag=us", "")
	answer := sent("SIP/2.0 200 OK", "1 INVITE", ";tag=us", ";tag=them")
	ack := received("ACK sip:c@d SIP/2.0", "1 ACK", ";tag=us", ";tag=them")
	other := received("ACK sip:c@d SIP/2.0", "1 ACK", ";tag=us", ";tag=others")
	ours := received("BYE sip:c@d SIP/2.0", "2 BYE", ";tag=us", ";tag=them")
	theirs := sent("BYE sip:a@b SIP/2.0", "1 BYE", ";tag=them", ";tag=us")
	for name, one := range map[string]struct {
		text string
		left []string
	}{
		"nothing":            {"", nil},
		"not answered":       {invite, nil},
		"hung up by us":      {invite + answer + ack + ours, nil},
		"hung up by them":    {invite + answer + ack + theirs, nil},
		"live":               {invite + answer + ack, []string{"the call is left live: 1 them"}},
		"not acknowledged":   {invite + answer + ours, []string{"the answer was not acknowledged: 1 them"}},
		"another one's ACK":  {invite + answer + other + ours, []string{"the answer was not acknowledged: 1 them"}},
		"nothing but answer": {invite + answer, []string{"the answer was not acknowledged: 1 them", "the call is left live: 1 them"}},
	} {
		require.Equal(t, one.left, left(parseTrace(t, one.text)), name)
	}
	require.Equal(t, "INVITE ACK BYE", heard(parseTrace(t, invite+invite+answer+ack+ack+ours)), "what comes again counts once")
}
