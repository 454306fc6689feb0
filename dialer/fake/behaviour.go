package fake

import (
	"time"

	"github.com/outdial/outdial/dialer"
)

// Behaviour is what becomes of one attempt to call a number. The zero value rings, is
// answered and hung up by the callee, all in no time.
type Behaviour struct {
	// End is how the call ends. DialBusy and DialFailed end it without that the phone
	// rings, DialNoAnswer without that it is answered, any other reason after it was. A
	// reason that does not exist is handed out like any other: a fault to test with. Empty:
	// ClientHangup.
	End dialer.EndReason

	// Ring is how long it takes until the call is answered, or is known to be busy, failed or
	// not answered; Talk is how long it lasts then. Both may be Forever, and are cut
	// short by the RingTimeout and MaxDuration of the call.
	Ring, Talk time.Duration

	// UnavailableFor is how long the carrier turns the attempt away with an
	// UnavailableError, counted from the first time that it is dialled. Forever: always.
	UnavailableFor time.Duration

	// Fault is what the carrier does wrong besides.
	Fault Fault

	Message string            // goes into the outcome, or into the error of a refusal
	Details map[string]string // goes into the outcome
}

// Fault is something that a dialer must not do, or that no caller hopes for. Faults can be
// combined with |.
type Fault uint16

// The faults.
const (
	// Refuse returns an error that wraps dialer.ErrNotPlaced. It is no fault of a
	// dialer, but rules out everything else.
	Refuse Fault = 1 << iota

	// PanicBeforePlacing panics in Dial; no call is placed.
	PanicBeforePlacing

	// PanicWhileRinging panics in Dial once the phone rings. The call goes on at the
	// carrier until it ends by itself.
	PanicWhileRinging

	// LoseReply returns an error that says nothing of the call's fate once the phone
	// rings. The call goes on at the carrier until it ends by itself, and can be resumed.
	LoseReply

	// Hang rings and never returns: the context, RingTimeout and MaxDuration are
	// ignored, until the carrier is closed.
	Hang

	// IgnoreCancel ignores the context, so that the call goes on to its end.
	IgnoreCancel

	// IgnoreRingTimeout lets the phone ring past the call's RingTimeout. With a longer
	// Ring, the call is answered too late.
	IgnoreRingTimeout

	// IgnoreMaxDuration lets the call last past its MaxDuration.
	IgnoreMaxDuration

	// ReportTwice reports every stage twice.
	ReportTwice

	// ReportReversed keeps the stages back until the call is over, then reports
	// them last first.
	ReportReversed

	// ReportLate reports the last stage once more a hundredth of a second after Dial
	// returned.
	ReportLate
)

func (b Behaviour) has(f Fault) bool { return b.Fault&f != 0 }

func (b Behaviour) end() dialer.EndReason {
	if b.End == "" {
		return dialer.ClientHangup
	}
	return b.End
}

// rings says whether the phone rings at all.
func (b Behaviour) rings() bool {
	return b.has(Hang) || (b.End != dialer.DialBusy && b.End != dialer.DialFailed)
}

// connects says whether the call is answered, if it may ring for long enough.
func (b Behaviour) connects() bool { return b.rings() && b.End != dialer.DialNoAnswer }

// script is what a number does, attempt by attempt.
type script struct {
	attempts []Behaviour
	first    map[int]time.Time // when an attempt with UnavailableFor was first dialled
}

func (s *script) behaviour(attempt int) Behaviour {
	return s.attempts[min(max(attempt, 1), len(s.attempts))-1]
}

// unavailable returns for how much longer the attempt is turned away.
func (s *script) unavailable(attempt int, b Behaviour, now time.Time) time.Duration {
	if b.UnavailableFor <= 0 {
		return 0
	}
	first, ok := s.first[attempt]
	if !ok {
		first = now
		s.first[attempt] = now
	}
	if b.UnavailableFor == Forever {
		return Forever
	}
	return b.UnavailableFor - now.Sub(first)
}
