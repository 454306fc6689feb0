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
	codeInactive      = 10001
	codeConcurrency   = 10004
	codeVoiceDisabled = 10005
	codeAuthenticate  = 20003
	codeNotActive     = 20005
	codeTooMany       = 20429
	codeSuspended     = 90010
)

// fateOf goes by the code first: Twilio has used several statuses for some of them.
func fateOf(status, code int) fate {
	if status != http.StatusTooManyRequests && !refuses(status) {
		return unknown
	}
	_, isOfCallee := aboutCallee(code)
	_, isOfCaller := aboutCaller(code)
	switch {
	case status == http.StatusTooManyRequests, code == codeTooMany, code == codeConcurrency:
		return turnedAway
	case isOfCallee, isOfCaller:
		return refused
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden,
		status == http.StatusProxyAuthRequired, aboutAccount(code):
		return barred
	case status == http.StatusNotFound:
		return absent
	}
	return refused
}

// refuses says whether an answer with the status certainly means that the request was not carried out. Those
// that are not listed may come from something in between which does not know.
func refuses(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusProxyAuthRequired,
		http.StatusGone, http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusUnprocessableEntity,
		http.StatusUpgradeRequired, http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
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

// refusal is the error of Dial for a call that was not placed. Only what is about the number to call
// ends a recipient: what is about the account, or about a request that Twilio has not yet been known to
// refuse, would otherwise write off a whole batch.
func (f *failure) refusal() error {
	if f.fate == barred || f.fate == absent {
		return &dialer.UnavailableError{
			Cause: fmt.Errorf("the account is refused (%w): check its SID, token and state", f), After: mostRest,
			Notice: "Twilio refuses the account: its SID, token and state are to be checked",
		}
	}
	if why, ok := aboutCallee(f.code); ok {
		return fmt.Errorf("%w: %s (%w)", dialer.ErrNotPlaced, why, f)
	}
	if why, ok := aboutCaller(f.code); ok {
		return &dialer.UnavailableError{Cause: fmt.Errorf("%s (%w)", why, f), After: mostRest, CallerOnly: true}
	}
	return &dialer.UnavailableError{Cause: fmt.Errorf("the request was refused (%w)", f), After: f.after}
}

// aboutAccount is true for the codes that stop every call of the account.
func aboutAccount(code int) bool {
	switch code {
	case codeInactive, codeVoiceDisabled, codeAuthenticate, codeNotActive, codeSuspended:
		return true
	}
	return false
}

// aboutCaller explains the codes that stop every call from a number, and no others.
func aboutCaller(code int) (string, bool) {
	switch code {
	case 13214, 21212:
		return "the number to call from is not valid", true
	case 21210, 32204:
		return "the number to call from is not the account's, nor verified for it", true
	case 21213:
		return "there is no number to call from", true
	case 21606:
		return "the number to call from is not one that the account can use", true
	}
	return "", false
}

// aboutCallee explains the codes that end a recipient, for somebody who reads the result
// of a batch. Twilio's own texts have the number in them.
func aboutCallee(code int) (string, bool) {
	switch code {
	case 13223:
		return "the number to call is not formatted as a phone number", true
	case 13224, 21211:
		return "the number to call does not exist or is not valid", true
	case 13225, 21216, 32224:
		return "Twilio does not call this number: it is blocked", true
	case 13226:
		return "the country of the number to call is not valid", true
	case 13227, 21215:
		return "the account's geographic permissions do not allow calls to this country or kind of number", true
	case 21201:
		return "there is no number to call", true
	case 21202:
		return "the number to call is a premium number", true
	case 21203:
		return "the number to call is of a kind that the account does not reach", true
	case 21214:
		return "the number to call cannot be reached", true
	case 21217:
		return "the number to call does not look like one", true
	case 21219, 573005:
		return "a trial account calls verified numbers only, and this one is not", true
	}
	return "", false
}
