package fake

import (
	"cmp"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Event is what an [Entry] says.
type Event string

// The events. Each time that Dial is called gives one Refused or one Placed, and each
// Placed one Ended unless the process died.
const (
	Refused Event = "refused" // Dial was called and nothing was placed
	Placed  Event = "placed"  // the carrier has the call, which is live now
	Rang    Event = "rang"    // the callee's phone rings
	Ended   Event = "ended"   // the call is not live any more
	Marked  Event = "marked"  // see Carrier.Mark
)

// Entry is something that happened at the carrier.
type Entry struct {
	Event Event     `json:"event"`
	At    time.Time `json:"at"`

	// Whose call it is, as the caller said. The callee's number is not in the books.
	Call      string       `json:"call,omitempty"`
	Org       string       `json:"org,omitempty"`
	Batch     string       `json:"batch,omitempty"`
	Recipient string       `json:"recipient,omitempty"`
	Attempt   int          `json:"attempt,omitempty"`
	From      dialer.Phone `json:"from,omitempty"`

	Trunk  string           `json:"trunk,omitempty"`  // Config.Trunk
	PID    int              `json:"pid,omitempty"`    // the process that the carrier is in
	Reason dialer.EndReason `json:"reason,omitempty"` // of Ended
	Mark   string           `json:"mark,omitempty"`   // of Marked
}

// Books is what happened at a carrier, or at those that share a file. It is a snapshot, and
// its methods only read.
type Books struct {
	// Entries are in the order in which things happened.
	Entries []Entry

	// Torn is how many lines of the file were cut off because a process died
	// writing them. What they were to say had not been told to anybody.
	Torn int
}

// Scope picks calls. An empty field picks all, the zero value every call.
type Scope struct {
	Org, Batch, Recipient string
	Attempt               int
	Trunk                 string
	From                  dialer.Phone
}

func (s Scope) covers(e Entry) bool {
	return picks(s.Org, e.Org) && picks(s.Batch, e.Batch) && picks(s.Recipient, e.Recipient) &&
		picks(s.Attempt, e.Attempt) && picks(s.Trunk, e.Trunk) && picks(s.From, e.From)
}

func picks[V comparable](want, is V) bool {
	var all V
	return want == all || want == is
}

// Dials returns how often Dial was called, refused calls included.
func (b Books) Dials(scope Scope) int { return b.count(Placed, scope) + b.count(Refused, scope) }

// Placed returns how many calls the carrier took.
func (b Books) Placed(scope Scope) int { return b.count(Placed, scope) }

// Rings returns how often a phone rang.
func (b Books) Rings(scope Scope) int { return b.count(Rang, scope) }

// Live returns how many calls had not ended.
func (b Books) Live(scope Scope) int { return b.count(Placed, scope) - b.count(Ended, scope) }

// MostAtOnce returns how many calls were live at the worst moment. Where one call
// ended and the next was placed at the same time, the order of the entries decides.
func (b Books) MostAtOnce(scope Scope) int {
	live, most := 0, 0
	for _, e := range b.Entries {
		if !scope.covers(e) {
			continue
		}
		switch e.Event {
		case Placed:
			live++
			most = max(most, live)
		case Ended:
			live--
		case Refused, Rang, Marked:
		}
	}
	return most
}

// Attempt is one attempt to reach one recipient.
type Attempt struct {
	Org, Batch, Recipient string
	Number                int // 1 for the recipient's first
}

// DoubleRings returns the attempts whose phone rang more than once, sorted. There
// must be none, ever.
func (b Books) DoubleRings() []Attempt { return b.twice(Rang) }

// DoublePlaced returns the attempts that were placed more than once, sorted; it
// finds those, too, whose phone did not ring, such as to a number that was busy.
func (b Books) DoublePlaced() []Attempt { return b.twice(Placed) }

// PlacedAfter returns the calls that were placed after the first mark of that name. It
// returns nil if there is no such mark; a test had better see that there is, by
// [Books.HasMark].
func (b Books) PlacedAfter(mark string, scope Scope) []Entry {
	var after []Entry
	marked := false
	for _, e := range b.Entries {
		marked = marked || e.isMark(mark)
		if marked && e.Event == Placed && scope.covers(e) {
			after = append(after, e)
		}
	}
	return after
}

// HasMark says whether the mark was set.
func (b Books) HasMark(mark string) bool {
	return slices.ContainsFunc(b.Entries, func(e Entry) bool { return e.isMark(mark) })
}

func (e Entry) isMark(name string) bool { return e.Event == Marked && e.Mark == name }

// WithoutProcess returns the books as they are once a process has been killed: its calls
// died with it, which it could not write down. They end at the given time, and before
// whatever was written later than that.
func (b Books) WithoutProcess(pid int, died time.Time) Books {
	live := map[string]Entry{}
	at := 0 // where in the entries it died
	for i, e := range b.Entries {
		if e.At.After(died) {
			continue // another process may have its id by now
		}
		at = i + 1
		if e.PID == pid && e.Event == Placed {
			live[e.Call] = e
		}
		if e.PID == pid && e.Event == Ended {
			delete(live, e.Call)
		}
	}
	ends := make([]Entry, 0, len(live))
	for _, e := range live {
		e.Event, e.At, e.Reason = Ended, died, dialer.ClientDisconnected
		ends = append(ends, e)
	}
	slices.SortFunc(ends, func(a, b Entry) int { return cmp.Compare(a.Call, b.Call) })
	return Books{Entries: slices.Insert(slices.Clone(b.Entries), at, ends...), Torn: b.Torn}
}

func (b Books) count(event Event, scope Scope) int {
	n := 0
	for _, e := range b.Entries {
		if e.Event == event && scope.covers(e) {
			n++
		}
	}
	return n
}

func (b Books) twice(event Event) []Attempt {
	const again = 2
	times := map[Attempt]int{}
	var found []Attempt
	for _, e := range b.Entries {
		if e.Event != event {
			continue
		}
		a := Attempt{Org: e.Org, Batch: e.Batch, Recipient: e.Recipient, Number: e.Attempt}
		times[a]++
		if times[a] == again { // reported once, however often it happened
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b Attempt) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Recipient, b.Recipient), cmp.Compare(a.Number, b.Number))
	})
	return found
}
