package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/dialer"
)

var errReason = errors.New("unknown end reason")

// A reason's place is its number in the file. Places never change; new ones go to the end.
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

func reasonNumber(r dialer.EndReason) (int, error) {
	n := slices.Index(reasons, r)
	if n < 0 {
		return 0, fmt.Errorf("%w %q", errReason, string(r))
	}
	return n, nil
}

func reasonOf(number int) (dialer.EndReason, error) {
	if number < 0 || number >= len(reasons) {
		return "", fmt.Errorf("%w number %d", errReason, number)
	}
	return reasons[number], nil
}
