package twilio

import (
	"maps"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// attempt is what is known of a call. It is told by callbacks, answers and the stream, and
// followed by whoever dials or resumes. It is safe for concurrent use.
type attempt struct {
	call    dialer.Call
	resumed bool // placed by another process, so what is not known may have happened all the same

	mu      sync.Mutex
	known   known
	changed chan struct{} // closed at the next change; nil: nobody waits for it
	claimed bool          // a stream has come for it
	unplug  func()        // ends that stream; nil: there is none
	isOff   bool          // no stream may go on

	followers int       // guarded by the registry
	letGoAt   time.Time // when the last one left; guarded by the registry
}

// known is an attempt at one moment.
type known struct {
	sid     string // empty: not learned yet
	isGuess bool   // the SID is that of a call that looks like it

	rank        rank
	status      string
	placedAt    time.Time
	dialledAt   time.Time
	rangAt      time.Time
	connectedAt time.Time
	guessed     bool // connectedAt may be earlier than the call was answered
	endedAt     time.Time
	duration    time.Duration // Twilio's count; -1: not known

	stream     verdict
	message    string        // of the stream
	streamedAt time.Time     // when the stream ended
	isCut      bool          // Twilio said that the call goes on without it
	rangFor    time.Duration // by Twilio's clock, for a call that was not answered; -1: not known
	isAsked    bool          // to be completed, by us
	isCalled   bool          // a callback has come
	details    map[string]string
}

func newAttempt(call dialer.Call) *attempt {
	return &attempt{call: call, known: known{duration: -1, rangFor: -1}}
}

// look returns what is known, and what is closed when that changes.
func (a *attempt) look() (known, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	k := a.known
	k.details = maps.Clone(k.details)
	return k, a.changed
}

func (a *attempt) tell() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// apply takes news, whatever the order it comes in and however often. It is false if
// the news is of another call than the attempt's.
func (a *attempt) apply(e event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known.identify(e) {
		return false
	}
	a.known.advance(e, a.resumed, time.Now())
	a.tell()
	return true
}

// guess takes the SID of a call that looks like the attempt's.
func (a *attempt) guess(r record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.sid != "" {
		return
	}
	a.known.sid, a.known.isGuess = r.sid, true
	a.known.add(map[string]string{"found_by": "list"})
	a.known.advance(eventOf(r), a.resumed, time.Now())
	a.tell()
}

// cutting notes that the call is about to be completed by us, though it may only ring.
func (a *attempt) cutting() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.isAsked = true
}

// notCut takes that back: it had ended before.
func (a *attempt) notCut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.isAsked = false
}

// claim is for the one stream that a call has: the first that comes with its SID.
func (a *attempt) claim(sid string) bool {
	if !a.apply(event{sid: sid, status: "in-progress", isNamed: true, duration: -1}) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claimed || a.known.rank == isFinal {
		return false
	}
	a.claimed, a.known.stream = true, streaming
	a.tell()
	return true
}

// closing notes who ended the stream, which may go on for a moment. The first one did.
func (a *attempt) closing(v verdict, message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.stream <= streaming {
		a.known.stream, a.known.message = v, message
		a.tell()
	}
}

// plugged takes what ends the stream.
func (a *attempt) plugged(unplug func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unplug = unplug
	if a.isOff {
		unplug()
	}
}

// breakOff ends the stream, if there is one here.
func (a *attempt) breakOff() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isOff = true
	if a.unplug != nil {
		a.unplug()
	}
}

// streamed notes that the stream is over.
func (a *attempt) streamed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unplug = nil
	a.known.streamedAt = time.Now()
	a.tell()
}

// cut notes that the call goes on without its stream.
func (a *attempt) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.isCut = true
	a.tell()
}

// vanish notes that Twilio does not know the call any more.
func (a *attempt) vanish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.rank < isFinal {
		a.known.rank, a.known.status, a.known.endedAt = isFinal, "", time.Now()
		a.tell()
	}
}

// identify learns the SID. What came with the call's id overrules a guess.
func (k *known) identify(e event) bool {
	switch {
	case k.sid == e.sid:
		k.isGuess = k.isGuess && !e.isNamed
		return true
	case k.sid == "":
		k.sid = e.sid
		return true
	case k.isGuess && e.isNamed:
		*k = known{sid: e.sid, placedAt: k.placedAt, duration: -1, rangFor: -1, isAsked: k.isAsked}
		return true
	}
	return false
}

// advance never goes back, and the first end is the end.
func (k *known) advance(e event, resumed bool, now time.Time) {
	k.add(e.details)
	k.isCalled = k.isCalled || e.isCall
	if k.placedAt.IsZero() {
		k.placedAt = now
	}
	r, ok := rankOf(e.status)
	if !ok || k.rank == isFinal {
		return
	}
	if k.dialledAt.IsZero() && (r >= isDialled && r < isFinal || !e.dialled.IsZero()) {
		k.dialledAt = now
	}
	if r <= k.rank {
		return
	}
	k.rank, k.status = r, e.status
	switch r {
	case isRinging:
		k.rangAt = now
	case isUp:
		k.connectedAt, k.guessed = now, resumed
		if resumed && !e.dialled.IsZero() && e.dialled.Before(now) {
			k.connectedAt = e.dialled
		}
	case isFinal:
		k.end(e, resumed, now)
	case isQueued, isDialled:
	}
}

// end has Twilio's times where nothing was seen of the call.
func (k *known) end(e event, resumed bool, now time.Time) {
	k.endedAt, k.duration = now, e.duration
	if resumed && !e.ended.IsZero() && e.ended.Before(now) && e.ended.After(k.connectedAt) {
		k.endedAt = e.ended
	}
	if !e.dialled.IsZero() && !e.ended.IsZero() {
		k.rangFor = e.ended.Sub(e.dialled)
	}
	wasCut := k.isAsked && e.duration <= 0 // while it rang
	if e.status != completed || wasCut || !k.connectedAt.IsZero() {
		return
	}
	k.connectedAt = k.endedAt.Add(-max(0, e.duration))
	if k.connectedAt.Before(k.rangAt) {
		k.connectedAt = k.rangAt
	}
}

func (k *known) add(details map[string]string) {
	if k.details == nil {
		k.details = map[string]string{}
	}
	maps.Copy(k.details, details)
}

// stage is how far the call has come, for a report.
func (k *known) stage() dialer.Stage {
	switch {
	case !k.connectedAt.IsZero():
		return dialer.Connected
	case !k.rangAt.IsZero():
		return dialer.Ringing
	case k.sid != "":
		return dialer.Accepted
	}
	return 0
}
