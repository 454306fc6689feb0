package fsm

import (
	"fmt"
	"slices"
)

// RecipientStatus says where a recipient stands. Until it is dispatched that is
// its place in the queue, afterwards the state of its latest attempt.
type RecipientStatus uint8

// The statuses of a recipient. The numbers are stored by databases: they never change.
const (
	Queued     RecipientStatus = 0 // waiting to be dialled
	Dispatched RecipientStatus = 1 // handed to the dialer; has neither connected nor ended
	Started    RecipientStatus = 2 // connected, in progress
	Completed  RecipientStatus = 3 // connected and over
	Failed     RecipientStatus = 4 // could not be placed, or the latest attempt did not reach anybody
	Cancelled  RecipientStatus = 5 // its batch was cancelled before it was dispatched

	numRecipientStatuses = 6
)

// RecipientEvent is what can happen to a recipient.
type RecipientEvent uint8

// The events of a recipient.
const (
	Dispatch RecipientEvent = iota // claimed for an attempt
	Requeue                        // the carrier could not take the call now, and nobody's phone rang
	Connect                        // somebody or something answered
	Complete                       // the call is over; from Dispatched when it connected and ended between two writes
	Fail                           // the attempt is over and reached nobody, or could not be made
	Cancel                         // the batch was cancelled
	Retry                          // asked for again

	numRecipientEvents = 7
)

//nolint:gochecknoglobals // the names of an enumeration, never written to
var recipientStatusNames = [numRecipientStatuses]string{
	"queued", "dispatched", "started", "completed", "failed", "cancelled",
}

//nolint:gochecknoglobals // the names of an enumeration, never written to
var recipientEventNames = [numRecipientEvents]string{
	"dispatch", "requeue", "connect", "complete", "fail", "cancel", "retry",
}

// String returns the status as the HTTP contract spells it.
func (s RecipientStatus) String() string { return name(recipientStatusNames[:], uint8(s)) }

// String returns the event's name, as it stands in the diagram.
func (e RecipientEvent) String() string { return name(recipientEventNames[:], uint8(e)) }

// MarshalText writes the status as the HTTP contract spells it.
func (s RecipientStatus) MarshalText() ([]byte, error) {
	return marshalName("recipient status", recipientStatusNames[:], uint8(s))
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (s *RecipientStatus) UnmarshalText(text []byte) error {
	n, err := parseName("recipient status", recipientStatusNames[:], string(text))
	if err != nil {
		return err
	}
	*s = RecipientStatus(n)
	return nil
}

// ParseRecipientStatus returns the status of that name.
func ParseRecipientStatus(s string) (RecipientStatus, error) {
	n, err := parseName("recipient status", recipientStatusNames[:], s)
	return RecipientStatus(n), err
}

// Terminal says that nothing more happens to a recipient in this status unless
// somebody asks for a retry.
func (s RecipientStatus) Terminal() bool {
	return s == Completed || s == Failed || s == Cancelled
}

// InFlight says that a recipient in this status has a call that is not known to be over.
func (s RecipientStatus) InFlight() bool { return s == Dispatched || s == Started }

// Next returns the status that event leads to. The error is a *[TransitionError]
// when the lifecycle has no such transition; the status returned is then s itself.
func (s RecipientStatus) Next(event RecipientEvent) (RecipientStatus, error) {
	if s < numRecipientStatuses && event < numRecipientEvents {
		if next := recipients.table[s][event]; next != none {
			return RecipientStatus(next), nil
		}
	}
	return s, &TransitionError{Machine: "recipient", Status: s.String(), Event: event.String()}
}

// Reaches says whether some event leads from s to next.
func (s RecipientStatus) Reaches(next RecipientStatus) bool {
	return s < numRecipientStatuses && next < numRecipientStatuses &&
		slices.Contains(recipients.table[s][:numRecipientEvents], uint8(next))
}

// TransitionError says that a lifecycle does not allow an event in a status.
type TransitionError struct {
	Machine string // "recipient" or "batch"
	Status  string
	Event   string
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("fsm: a %s that is %s does not take the event %q", e.Machine, e.Status, e.Event)
}
