package dialer

import "fmt"

// ErrNotAsked is wrapped by the errors of a dialer that refused a call by itself: the carrier behind it was
// not contacted, so nothing is learnt about it, good or bad. It wraps [ErrNotPlaced], and the call may go on
// over another carrier.
//
// It is for a reason that lies in the call, such as its number. A carrier that cannot be reached, or whose limits
// are used up, is an [UnavailableError].
var ErrNotAsked = fmt.Errorf("%w: the carrier was not asked", ErrNotPlaced)

// ErrForbidden is wrapped by the errors of a dialer that knows of a call it did not ask its carrier for that no
// other carrier may place it either, such as one to a premium-rate number. It wraps [ErrNotAsked]. The refusal is
// final: the recipient ends as failed, before a call and with the error as its reason, and is neither
// offered to another carrier nor queued again.
var ErrForbidden = fmt.Errorf("%w, and no other may be", ErrNotAsked)
