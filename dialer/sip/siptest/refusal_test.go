package siptest

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	var all []scenario
	for _, r := range []struct {
		code   int
		phrase string
		ends   dialer.EndReason
	}{
		{302, "Moved Temporarily", dialer.DialFailed},
		{403, "Forbidden", dialer.DialFailed},
		{404, "Not Found", dialer.DialFailed},
		{408, "Request Timeout", dialer.DialFailed},
		{410, "Gone", dialer.DialFailed},
		{480, "Temporarily Unavailable", dialer.DialNoAnswer},
		{484, "Address Incomplete", dialer.DialFailed},
		{486, "Busy Here", dialer.DialBusy},
		{488, "Not Acceptable Here", dialer.DialFailed},
		{500, "Server Internal Error", dialer.DialFailed},
		{504, "Server Time-out", dialer.DialFailed},
		{600, "Busy Everywhere", dialer.DialBusy},
		{603, "Decline", dialer.DialBusy},
		{604, "Does Not Exist Anywhere", dialer.DialFailed},
		{607, "Unwanted", dialer.DialBusy},
	} {
		code := strconv.Itoa(r.code)
		all = append(all, scenario{
			name: code,
			peer: script{invited(), trying(), refuse(r.code, r.phrase)},
			ends: r.ends, hears: "INVITE ACK",
			details: map[string]string{"sip_code": code, "sip_phrase": r.phrase, "trunk": "sipp"},
		})
	}
	play(t, append(all, refusedOtherwise()...))
}

func refusedOtherwise() []scenario {
	const reason = `Q.850;cause=17;text="User busy"`
	return []scenario{
		{
			name: "with a reason",
			peer: script{invited(), refuse(486, "Busy Here", "Reason: "+reason)},
			ends: dialer.DialBusy, hears: "INVITE ACK",
			details: map[string]string{"reason": reason, "q850_cause": "17"},
		},
		{
			name: "408 after ringing",
			peer: script{invited(), ringing(), refuse(408, "Request Timeout")},
			ends: dialer.DialNoAnswer, hears: "INVITE ACK",
		},
		{
			name: "503 after ringing",
			peer: script{invited(), ringing(), refuse(503, "Service Unavailable", "Retry-After: 60")},
			ends: dialer.DialFailed, hears: "INVITE ACK", details: map[string]string{"sip_code": "503"},
		},
		{
			name:  "503",
			peer:  script{invited(), refuse(503, "Service Unavailable")},
			fails: dialer.ErrNotPlaced, hears: "INVITE ACK",
		},
		{
			name:  "503 with Retry-After",
			peer:  script{invited(), refuse(503, "Service Unavailable", "Retry-After: 7 (busy hour);duration=60")},
			fails: dialer.ErrNotPlaced, hears: "INVITE ACK",
			check: func(t *testing.T, a *act) {
				unavailable, ok := errors.AsType[*dialer.UnavailableError](a.err)
				require.True(t, ok, "%v", a.err)
				require.InDelta(t, 7*time.Second, unavailable.After, float64(time.Second))
			},
		},
		{
			name: "the ACK of a refusal is lost", only: "udp",
			peer: script{invited(), trying(), refuse(486, "Busy Here")},
			lose: func() losing { return once("ACK", false) },
			ends: dialer.DialBusy, hears: "INVITE ACK",
		},
	}
}
