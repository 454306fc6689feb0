package twilio

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/outdial/outdial/dialer"
)

// fate is what is known of a request that has failed.
type fate uint8

const (
	unknown    fate = iota // it may have been done
	notSent                // nothing left this machine
	turnedAway             // it was not processed: too many at once
	refused                // it was refused, for what it asked
	barred                 // it was refused, for who asked
	absent                 // there is no such call, or account
)

// The codes are from https://www.twilio.com/docs/api/errors.
const (
	codeAuthenticate  = 20003
	codeInactive      = 20005
	codeTooMany       = 20429
	codeNotInProgress = 21220
)

// fateOf goes by the code first: Twilio has used several statuses for some of them.
func fateOf(status, code int) fate {
	_, isOfNumber := aboutNumber(code)
	switch {
	case status == http.StatusTooManyRequests || (code == codeTooMany && status < http.StatusInternalServerError):
		return turnedAway
	case status < http.StatusBadRequest || status >= http.StatusInternalServerError,
		status == http.StatusRequestTimeout, status == http.StatusConflict:
		return unknown
	case isOfNumber:
		return refused
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		code == codeAuthenticate, code == codeInactive:
		return barred
	case status == http.StatusNotFound:
		return absent
	}
	return refused
}

// failure is a request that has failed.
type failure struct {
	fate    fate
	status  int           // of HTTP; 0: there was no answer
	code    int           // Twilio's; 0: none
	message string        // Twilio's
	after   time.Duration // how long Twilio wants to be left alone; 0: it did not say
	cause   error         // where there was no answer, or none that could be read
}

func (f *failure) Error() string {
	switch {
	case f.cause != nil:
		return fmt.Sprintf("twilio: %v", f.cause)
	case f.code != 0:
		return fmt.Sprintf("twilio: status %d, error %d", f.status, f.code)
	}
	return fmt.Sprintf("twilio: status %d", f.status)
}

func (f *failure) Unwrap() error { return f.cause }

// asFailure takes what twilio-go returns. What is no failure of ours is an answer that it could not read.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{fate: unknown, cause: fmt.Errorf("the answer cannot be read: %w", err)}
}

// refusal is the error of Dial for a call that was not placed.
func (f *failure) refusal() error {
	if f.fate == barred || f.fate == absent {
		return &dialer.UnavailableError{
			Cause: fmt.Errorf("the account is refused (%w): check its SID, token and state", f), After: mostRest,
		}
	}
	why, ok := aboutNumber(f.code)
	if !ok {
		why = "Twilio refused the call"
	}
	return fmt.Errorf("%w: %s (%w)", dialer.ErrNotPlaced, why, f)
}

// aboutNumber explains the codes that end a recipient, for somebody who reads the result
// of a batch. Twilio's own texts have the number in them.
func aboutNumber(code int) (string, bool) {
	switch code {
	case 13223:
		return "the number to call is not formatted as a phone number", true
	case 13224, 21211:
		return "the number to call does not exist or is not valid", true
	case 13225, 21216:
		return "Twilio does not call this number: it is blocked", true
	case 13226:
		return "the country of the number to call is not valid", true
	case 13227, 21215:
		return "the account's geographic permissions do not allow calls to this country or kind of number", true
	case 21201:
		return "there is no number to call", true
	case 21203:
		return "the number to call is of a kind that the account does not reach", true
	case 21210:
		return "the number to call from is not verified for the account", true
	case 21212:
		return "the number to call from is not valid", true
	case 21213:
		return "there is no number to call from", true
	case 21214:
		return "the number to call cannot be reached", true
	case 21217:
		return "the number to call does not look like one", true
	case 21219:
		return "a trial account calls verified numbers only, and this one is not", true
	}
	return "", false
}
