// Package reasons numbers end reasons, as the stores in databases write them.
package reasons

import (
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/dialer"
)

// ErrUnknown is wrapped by the errors of this package.
var ErrUnknown = errors.New("unknown end reason")

// A reason's place is its number in every database. Places never change; new ones go to the end.
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

// Number is what stands for a reason, 0 for none.
func Number(r dialer.EndReason) (int16, error) {
	n := slices.Index(reasons, r)
	if n < 0 {
		return 0, fmt.Errorf("%w %q", ErrUnknown, string(r))
	}
	return int16(n), nil //nolint:gosec // a short list
}

// Of is the reason that a number stands for.
func Of(number int16) (dialer.EndReason, error) {
	if number < 0 || int(number) >= len(reasons) {
		return "", fmt.Errorf("%w number %d", ErrUnknown, number)
	}
	return reasons[number], nil
}
