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

// holdsForAll says whether no rules admit what this one refuses, and a carrier without a guard should not either.
func (r Rule) holdsForAll() bool { return r != Country && r != Hourly }

// RefusedError says that the guard refused a call. Nobody's phone rang and the carrier was not asked: it wraps
// [dialer.ErrNotAsked]. Its text is for a person to read and does not have the number.
type RefusedError struct {
	Rule Rule

	// Final says that no guard of the same [Ledger] lets the call through, and that it knows of no carrier without
	// one, so that the call is refused whatever the carrier: the error wraps [dialer.ErrForbidden]. For Impossible,
	// Short and Costly that is always so.
	Final bool

	message string
}

func (e *RefusedError) Error() string { return "refused by the toll-fraud guard: " + e.message }

// Unwrap makes errors.Is find [dialer.ErrNotAsked] and, where the refusal is final, [dialer.ErrForbidden].
func (e *RefusedError) Unwrap() error {
	if e.Final {
		return dialer.ErrForbidden
	}
	return dialer.ErrNotAsked
}

// refuse makes an error of one rule. The ledger decides whether it is final.
func refuse(rule Rule, message string) *RefusedError {
	return &RefusedError{Rule: rule, message: message}
}
