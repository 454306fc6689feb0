package batch

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// job is what the scheduler knows of one batch: a few numbers, whatever the number of
// its recipients.
type job struct {
	batch store.Batch // as the store last told

	// What is planned on top of that, until the store answers.
	queued   int // recipients that may still be claimed
	inFlight int // calls over all nodes

	own      int       // calls of this node in flight
	other    int       // calls of other nodes in flight
	ending   int       // calls of it whose end is not written yet
	limit    *capacity // Target, less what other nodes have in flight
	route    *route    // nil: not known yet
	key      string    // of the route
	unable   refusal   // why there is no route
	endpoint endpoint

	refused   map[int]int // by recipient: refusals by carriers that take others; nil: none
	restUntil time.Time   // those that are left were put off: nobody is claimed before this
	rests     int         // in a row

	passed float64 // calls begun, divided by the weight; see before
	pace   pacing  // how fast it goes, for estimates

	planned int // its latest plan in scheduler.planned, plus 1
	inLine  int // place in its route's queue
	inDue   int // place among the scheduled
	inRest  int // place among those that rest
}

// before says which batch gets the next free unit: the one that has the fewest calls in
// flight for its weight, so capacity is shared in proportion to weight whatever the length
// of the calls. Between equals it is the one that has begun the fewest calls for its
// weight since both have had work, which makes them take turns where there are
// more batches than units.
func before(a, b *job) bool {
	x, y := a.inFlight*b.batch.Weight, b.inFlight*a.batch.Weight
	if x != y {
		return x < y
	}
	if a.passed != b.passed {
		return a.passed < b.passed
	}
	return a.batch.ID < b.batch.ID
}

// route is how the calls of some batches leave: the number that calls, its carriers, what a call
// weighs there, and the agent. Batches with the same route are full, paced and at rest
// together, so they share a queue and one of them speaks for all.
type route struct {
	key      string
	carriers []string
	balancer *balancer // which of them gets the next call
	units    int
	from     dialer.Phone
	agent    string

	jobs    int // that have this route
	line    *priority[*job]
	since   time.Time // when it was learned of
	blocked refusal   // why none of them got a unit in the last step; no reason: they did
	inReady int       // place in scheduler.ready
}

func newRoute(key string, n Number, agent string, b *balancer, now time.Time) *route {
	return &route{
		key: key, carriers: n.Carriers, balancer: b, units: n.channels(), from: n.E164, agent: agent, since: now,
		line: newPriority(before, func(j *job) *int { return &j.inLine }),
	}
}

func routeKey(n Number, agent string) string {
	return strings.Join([]string{carriersKey(n), strconv.Itoa(n.channels()), agent}, "\x00")
}

// weighted says that the carriers have weights, and not an order. Weights that are not one for each are none.
func (n Number) weighted() bool {
	return len(n.Weights) == len(n.Carriers) && len(n.Weights) > 0 && slices.Min(n.Weights) > 0
}

func (n Number) channels() int { return max(n.Channels, 1) }

// endpoint is who calls and who talks in the calls of a batch.
type endpoint struct {
	from  dialer.Phone
	agent dialer.Agent
}
