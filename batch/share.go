package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

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

	passed float64 // calls begun, divided by the weight; see before
	pace   pacing  // how fast it goes, for estimates

	planned int // its latest plan in scheduler.planned, plus 1
	inLine  int // place in its route's queue
	inDue   int // place among the scheduled
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
	weights  []int     // of the carriers; nil: they are in order of preference
	passed   []float64 // calls that each was given, divided by its weight
	order    []int     // of the carriers, for weighted
	units    int
	from     dialer.Phone
	agent    string

	jobs    int // that have this route
	line    *priority[*job]
	blocked refusal // why none of them got a unit in the last step; no reason: they did
	inReady int     // place in scheduler.ready
}

func newRoute(key string, n Number, agent string) *route {
	r := &route{
		key: key, carriers: n.Carriers, units: n.channels(), from: n.E164, agent: agent,
		line: newPriority(before, func(j *job) *int { return &j.inLine }),
	}
	if n.weighted() {
		r.weights, r.passed = n.Weights, make([]float64, len(n.Carriers))
	}
	for i := range n.Carriers {
		r.order = append(r.order, i)
	}
	return r
}

// inOrder returns the indexes of the carriers in the order in which they are to be asked: that of
// preference, or the one that has had the fewest calls for its weight first.
func (r *route) inOrder() []int {
	if r.weights != nil {
		slices.SortStableFunc(r.order, func(a, b int) int {
			return cmp.Compare(r.passed[a]+1/float64(r.weights[a]), r.passed[b]+1/float64(r.weights[b]))
		})
	}
	return r.order
}

// gave tells that the carrier at an index of carriers was given a call. Those that came before it and took
// none save nothing up for when they do.
func (r *route) gave(at int) {
	if r.weights == nil {
		return
	}
	level := r.passed[at]
	for _, i := range r.order {
		if i == at {
			break
		}
		r.passed[i] = max(r.passed[i], level)
	}
	r.passed[at] += 1 / float64(r.weights[at])
}

func routeKey(n Number, agent string) string {
	weights := ""
	if n.weighted() {
		weights = fmt.Sprint(n.Weights)
	}
	parts := append(slices.Clone(n.Carriers), weights, strconv.Itoa(n.channels()), string(n.E164), agent)
	return strings.Join(parts, "\x00")
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
