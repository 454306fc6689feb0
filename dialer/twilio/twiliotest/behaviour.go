package twiliotest

import "time"

// Forever is a time that does not pass.
const Forever = 1000 * time.Hour

// Behaviour is what becomes of calls to a number. The zero value answers at once and
// hangs up at once.
type Behaviour struct {
	Queue time.Duration // how long the call waits before it is dialled
	Ring  time.Duration // how long the phone rings, if it does
	End   string        // busy, no-answer, failed, or canceled by somebody else; empty: it is answered
	Talk  time.Duration // how long until the callee hangs up

	Machine string // what machine detection says, if it was asked for; empty: human

	// What happens to the first, the second … request of a kind for the number; those after
	// are served as they should be.
	Create, Update, Fetch, List []Fault

	// Always is what happens to every request to create a call.
	Always *Fault

	// Callbacks says what becomes of the callback of a status: initiated, ringing, in-progress or
	// that of the end, or machine for what machine detection found. All is for those that are not named.
	Callbacks map[string]Delivery
	All       Delivery

	Listed time.Duration // how long the call is missing in the list
	Decoys int           // how many calls like it somebody else has made just before

	Stream StreamFault

	Deaf bool // it goes on, whatever it is told and for however long

	// Cancels is the status in which a call ends that was told to be completed while it
	// rang. Empty: canceled.
	Cancels string
}

// Fault is what goes wrong with a request.
type Fault struct {
	Delay  time.Duration // before anything
	Accept bool          // the request is carried out, whatever the answer
	Late   time.Duration // but only after so long; it implies Accept
	Linger time.Duration // between the deed and the answer

	Reset  bool          // the connection breaks off instead of an answer
	Cut    bool          // it breaks off in the middle of the right answer
	Status int           // the answer's status; 0: the right one
	Code   int           // Twilio's error code in it
	Body   string        // the answer's body, in place of the right one or the error
	After  time.Duration // Retry-After
	Dated  bool          // which is a date, and not in seconds

	Trickle time.Duration // the answer comes byte by byte, and takes so long
}

// Delivery is what becomes of a callback.
type Delivery struct {
	Lose   bool
	Late   time.Duration
	Times  int  // how often it comes; 0: once
	Forged bool // it is signed by somebody else

	Account string // it is of another account, though it is signed; empty: of this one
}

// StreamFault is what goes wrong with a stream.
type StreamFault struct {
	Never   bool          // it does not begin
	Spoilt  bool          // its token is another call's
	Twice   bool          // it comes a second time, while it goes on
	Stops   Stage         // its connection breaks off when it has come so far, which ends the call
	BreakAt time.Duration // its connection breaks off after so long, and the call goes on
	MuteAt  time.Duration // nothing comes any more after so long
	NoStop  bool          // it breaks off at the end of the call, without a stop
}

// Stage is how far a stream comes whose connection breaks off.
type Stage string

// The stages. Zero: to its end.
const (
	Opened    Stage = "opened"    // the handshake was made
	Connected Stage = "connected" // the message of that name was sent
	HalfStart Stage = "half"      // and half of start
	Started   Stage = "started"   // and start
)
