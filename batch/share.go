package batch

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
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
	routed   int       // directoryBook.version when it was looked for
	unable   refusal   // why there is no route
	endpoint endpoint

	refused   map[int]refusals // by recipient; nil: none
	wasPutOff big.Int          // a bit for each recipient: it was put off before
	restUntil time.Time        // those that are left were put off: nobody is claimed before this
	rests     int              // in a row

	turn   float64 // calls begun, divided by the weight; see before
	passed float64 // the same among the batches of all carriers; see routeBefore
	pace   pacing  // how fast it goes, for estimates

	stale   bool // it would get a unit, but what the directory said of it is too old
	planned int  // its latest plan in scheduler.planned, plus 1
	inLine  int  // place in its route's queue
	inDue   int  // place among the scheduled
	inRest  int  // place among those that rest
}

// before says which batch gets the next free unit: the one that has the fewest calls in
// flight for its weight, so capacity is shared in proportion to weight whatever the length
// of the calls. Between equals it is the one that has begun the fewest calls for its
// weight since both have had work, which makes them take turns where there are
// more batches than units.
func before(a, b *job) bool {
	if x, y := loads(a, b); x != y {
		return x < y
	}
	if a.turn != b.turn {
		return a.turn < b.turn
	}
	return a.batch.ID < b.batch.ID
}

// loads compare as the calls in flight of two batches for their weight.
func loads(a, b *job) (x, y int) {
	return a.inFlight * b.batch.Weight, b.inFlight * a.batch.Weight
}

// routeBefore says which of two routes, of which each has its first batch speak for it, gets the next free unit. A
// batch whose route was blocked saves no turns up: it counts as one that has taken all of them. So
// those that wait for one carrier while batches of others go on would be equal among all, again after each
// call; hence a count of its own for the turns at each carrier.
func routeBefore(a, b *route) bool {
	i, j := a.line.first(), b.line.first()
	if x, y := loads(i, j); x != y {
		return x < y
	}
	if x, y := max(i.passed, a.passed), max(j.passed, b.passed); x != y {
		return x < y
	}
	if x, y := max(i.turn, a.turn), max(j.turn, b.turn); x != y {
		return x < y
	}
	return i.batch.ID < j.batch.ID
}

// serve counts a call that is begun for a batch.
func (s *scheduler) serve(j *job) {
	r, one := j.route, 1/float64(j.batch.Weight)
	j.passed, j.turn = max(j.passed, r.passed), max(j.turn, r.turn)
	s.passed = max(s.passed, j.passed)
	s.turns[r.first()] = max(s.turns[r.first()], j.turn)
	j.passed += one
	j.turn += one
}

// forgetTurns drops those at carriers that nobody waits for.
func (s *scheduler) forgetTurns() {
	if !s.wentRoute {
		return
	}
	s.wentRoute = false
	used := map[string]bool{}
	for _, r := range s.ways {
		used[r.first()] = true
	}
	maps.DeleteFunc(s.turns, func(carrier string, _ float64) bool { return !used[carrier] })
}

// relearn tells that the directory has answered: those that it was waited for may be fresh by now.
func (s *scheduler) relearn(now time.Time) {
	stale := s.stale
	s.stale = nil
	for _, j := range stale {
		j.stale = false
		if s.jobs[j.batch.ID] == j {
			s.enlist(j, now)
		}
	}
}

// wait tells that none of the route's batches could have a call begin. What others had meanwhile is not owed to them.
func (s *scheduler) wait(r *route) {
	r.passed, r.turn = max(r.passed, s.passed), max(r.turn, s.turns[r.first()])
}

// route is how the calls of some batches leave: the number that calls, its carriers, what a call
// weighs there, and the agent. Batches with the same route are full, paced and at rest
// together, so they share a queue and one of them speaks for all.
type route struct {
	key      string
	at       int // its place in scheduler.ways
	carriers []string
	balancer *balancer // which of them gets the next call
	units    int
	from     dialer.Phone
	agent    string

	jobs    int // that have this route
	line    *priority[*job]
	since   time.Time // when it was learned of
	blocked refusal   // why none of them got a unit in the last step; no reason: they did
	passed  float64   // each of them counts as having at least so much of job.passed,
	turn    float64   // and of job.turn
	inReady int       // place in scheduler.ready
}

func newRoute(key string, n Number, agent string, b *balancer, now time.Time) *route {
	return &route{
		key: key, carriers: n.Carriers, balancer: b, units: n.channels(), from: n.E164, agent: agent, since: now,
		line: newPriority(before, func(j *job) *int { return &j.inLine }),
	}
}

// first is the carrier that the route's batches share with others, as a rule.
func (r *route) first() string {
	if len(r.carriers) == 0 {
		return ""
	}
	return r.carriers[0]
}

// routeKey is worked out for every batch whenever the directory says something else, so it is written in one go.
func routeKey(n Number, agent string) string {
	var there [128]byte
	key := append(appendCarriersKey(there[:0], n), 0)
	key = append(strconv.AppendInt(key, int64(n.channels()), 10), 0)
	return string(append(key, agent...))
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
