package postgres

import (
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/dialer"
)

var errReason = errors.New("unknown end reason")

// A reason's place is its number in the database. Places never change; new ones go to the end.
//
//nolint:gochecknoglobals // the members of an enumeration, never written to
var reasons = []dialer.EndReason{
	"",
	dialer.AgentHangup,
	dialer.ClientHangup,
	dialer.APICancelled,
	dialer.MaxDuration,
	dialer.Inactivity,
	dialer.ClientDisconnected,
	dialer.DialBusy,
	dialer.DialFailed,
	dialer.DialNoAnswer,
	dialer.Error,
}

func reasonNumber(r dialer.EndReason) (int16, error) {
	n := slices.Index(reasons, r)
	if n < 0 {
		return 0, fmt.Errorf("%w %q", errReason, string(r))
	}
	return int16(n), nil //nolint:gosec // a short list
}

func reasonOf(number int16) (dialer.EndReason, error) {
	if number < 0 || int(number) >= len(reasons) {
		return "", fmt.Errorf("%w number %d", errReason, number)
	}
	return reasons[number], nil
}
