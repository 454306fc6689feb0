package guard

import "github.com/outdial/outdial/dialer"

// Rule is why a call was refused.
type Rule string

// The rules.
const (
	Impossible Rule = "impossible" // no telephone number, or one that cannot be dialled from abroad
	Short      Rule = "short"      // a short number
	Costly     Rule = "costly"     // a kind of number that is never called
	Country    Rule = "country"    // no country or prefix that is allowed
	Hourly     Rule = "hourly"     // too many calls to a block of numbers within an hour
)

// RefusedError says that the guard refused a call. Nobody's phone rang: it wraps
// [dialer.ErrNotPlaced]. Its text is for a person to read and does not have the number.
type RefusedError struct {
	Rule    Rule
	message string
}

func (e *RefusedError) Error() string { return "refused by the toll-fraud guard: " + e.message }

// Unwrap makes errors.Is find [dialer.ErrNotPlaced].
func (e *RefusedError) Unwrap() error { return dialer.ErrNotPlaced }
