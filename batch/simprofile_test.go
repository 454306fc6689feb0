package batch

import (
	"math/rand/v2"
	"time"

	"github.com/outdial/outdial/dialer"
)

// faultKind is something that can go wrong.
type faultKind uint8

const (
	storeErrBefore faultKind = iota // it fails, and nothing was written
	storeErrAfter                   // it fails, and all was written
	storeLost                       // the request never arrives
	storeReplyLost                  // the answer never arrives
	storeLate                       // the request arrives long after it was given up
	storeSlow
	storeCut // a node and the store do not reach each other for a while
	nodeCrash
	nodeCrashAtCommit
	nodeCrashAtCarrier
	nodePause
	nodePauseAtClaim
	nodeRestart
	clockJump
	swapDialers
	carrierDown
	carrierRefuses
	carrierPicky // it refuses some recipients each time
	carrierUnavailable
	carrierCaller
	carrierAgent
	carrierReplyLost
	carrierPanics
	carrierHangs
	carrierIgnoresCancel
	carrierIgnoresTime
	reportTwice
	reportReversed
	reportNever
	reportLate
	directoryFails
	directorySlow
	limitChanges
	channelsChange // from here on only where things change that usually do not, see simchanges_test.go
	paceChanges
	numberChanges
	directoryHangs
	swapStopping
	faultKinds
)

func (k faultKind) String() string {
	return [...]string{
		"store fails before the commit", "store fails after the commit", "request to the store lost",
		"answer of the store lost", "request to the store late", "store slow", "node cut from the store", "crash",
		"crash at a commit", "crash at the carrier's answer", "pause", "pause between claim and dialling", "restart",
		"clock set", "dialers swapped", "carrier down", "carrier refuses a call", "carrier refuses a recipient each time", "carrier unavailable",
		"caller not taken", "agent out of reach", "carrier's answer lost", "dialer panics", "dialer hangs",
		"dialer ignores cancelling", "dialer ignores its time", "report doubled", "reports reversed", "reports missing",
		"reports late", "directory fails", "directory slow", "limit changed",
		"channels of a carrier changed", "pace of a carrier changed", "number changed", "directory hangs",
		"dialers swapped at a node that stops",
	}[k]
}

// profile is what kind of play it is. Each kind of fault is there in every other one, so that
// some plays show what others hide.
type profile struct {
	nodes, orgs int
	recipients  int
	mostLimit   int
	faultTime   time.Duration
	quick       time.Duration // what would be a minute takes so long: where nodes look often, all goes faster
	on          [faultKinds]bool
	storm       int // how much more often things go wrong

	poll, lease, drain, grace, storeTimeout, ttl time.Duration
	maxStep                                      int
	channels                                     [2]int
	heaviest                                     int // the most channels that a call needs
	cps                                          float64
	burst                                        int
	resumes, keeps                               [2]bool

	changing bool // what usually stays changes too
	regions  bool // batches have one each, and not every node serves all
}

// scaled is a time in the pace of the play.
func (p *profile) scaled(t time.Duration) time.Duration {
	return time.Duration(t.Minutes() * float64(p.quick))
}

func drawProfile(r *rand.Rand) profile {
	const s, m = time.Second, time.Minute
	p := profile{
		nodes: pick(r, 2, 2, 2, 3), orgs: pick(r, 2, 2, 3), recipients: 200, mostLimit: pick(r, 6, 12, 24),
		faultTime: time.Duration(20+r.IntN(80)) * m, storm: pick(r, 1, 1, 2, 4),
		lease: pick(r, 10*s, 30*s, 60*s, 120*s, 120*s, 300*s, 300*s), drain: pick(r, NoDrain, 20*s, 2*m),
		grace: pick(r, 5*s, 10*s), storeTimeout: pick(r, 5*s, 30*s), ttl: pick(r, 2*s, 5*s, 30*s, 60*s, 90*s, 90*s, 120*s, 120*s),
		maxStep: pick(r, 3, 50, 500), channels: both(pick(r, 0, 2, 5, 20)), heaviest: 2, cps: pick(r, 0, 0, 0.2, 0.5, 5),
		burst: pick(r, 0, 0, 3), resumes: [2]bool{r.IntN(3) > 0, r.IntN(3) > 0}, keeps: [2]bool{r.IntN(2) > 0, r.IntN(2) > 0},
	}
	p.quick = min(max(p.lease, 15*s), m)
	p.faultTime = p.scaled(p.faultTime)
	p.poll = p.lease / time.Duration(2+r.IntN(5))
	for k := range channelsChange {
		p.on[k] = r.IntN(2) == 0
	}
	return p
}

func both(n int) [2]int { return [2]int{n, n} }

// number is what an organisation calls from.
func (p *profile) number(r *rand.Rand, carriers []*simCarrier) Number {
	n := Number{AnyRegion: p.regions, E164: dialer.Phone("+44207946000" + string(rune('0'+r.IntN(10))))}
	for _, c := range carriers {
		n.Carriers = append(n.Carriers, c.name)
	}
	switch r.IntN(4) {
	case 0:
		n.Weights = []int{1 + r.IntN(3), 1 + r.IntN(3)}
	case 1:
		n.Carriers = []string{n.Carriers[1], n.Carriers[0]}
	case 2:
		n.Channels = p.heaviest
	}
	return n
}
