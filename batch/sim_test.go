package batch

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Flags of the test binary.
var (
	simSeed  = flag.Uint64("seed", 0, "replay this seed of the simulation and print its trace")
	simSeeds = flag.Int("seeds", 0, "how many seeds are simulated; 0: by -simtime")
	simTime  = flag.Duration("simtime", 0, "how long seeds are simulated; 0: a fixed number of them. With -v it says how many were played a minute")
	simBase  = flag.Uint64("simbase", 0, "the first seed; 0: a fixed one, or one of chance with -simtime")
)

// simDefault is how many seeds are played where nothing is asked for. In so many, everything happens.
const simDefault = 400

const simSeedsFile = "testdata/sim-seeds.txt"

// TestSim plays seeds of the simulation, as many as fit, on every processor.
func TestSim(t *testing.T) {
	if *simSeed != 0 {
		replaySim(t, *simSeed)
		return
	}
	r := simRun{base: *simBase, seeds: *simSeeds, length: *simTime}
	r.defaults()
	t.Logf("simulating from seed %d", r.base)
	began := time.Now()
	r.play()
	took := time.Since(began)
	t.Logf("%d plays in %.1f s, %.0f a minute, on %d processors; %.1f h of virtual time, %.0f recipients each",
		r.done.Load(), took.Seconds(), float64(r.done.Load())/took.Minutes(), runtime.GOMAXPROCS(0),
		time.Duration(r.virtual.Load()).Hours()/float64(r.done.Load()), float64(r.recipients.Load())/float64(r.done.Load()))
	if r.failed != 0 {
		reportSim(t, r.failed)
		return
	}
	t.Logf("what was seen:\n%v", &r.seen)
	if r.done.Load() >= simDefault {
		require.Empty(t, r.seen.never(), "a run in which this never happened has not tried it")
	}
}

// TestSimReplays plays seeds twice: the same seed must be the same play, to the byte.
func TestSimReplays(t *testing.T) {
	pool := &simPool{}
	defer pool.close()
	for n := range uint64(max(12, *simSeeds/10)) {
		seed := seedOf(*simBase, n+1)
		first, again := traceOf(seed, pool), traceOf(seed, pool)
		require.NotEmpty(t, first)
		if first != again {
			t.Fatalf("seed %d is played in two ways:\n%s", seed, difference(first, again))
		}
	}
}

// TestSimSeeds plays every seed that failed at some time.
func TestSimSeeds(t *testing.T) {
	text, err := os.ReadFile(simSeedsFile)
	require.NoError(t, err)
	pool := &simPool{}
	defer pool.close()
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		seed, err := strconv.ParseUint(line, 10, 64)
		require.NoError(t, err)
		if newSimWorld(seed, pool, &sometimes{}).play() != "" {
			reportSim(t, seed)
		}
	}
}

// simRun is many plays.
type simRun struct {
	base   uint64
	seeds  int
	length time.Duration

	next, done, virtual, recipients atomic.Int64

	mu     sync.Mutex
	seen   sometimes
	failed uint64 // the first seed that failed; 0: none
}

// defaults are a few seeds that are always the same: new ones are asked for with -simtime or -seeds.
func (r *simRun) defaults() {
	if r.seeds == 0 && r.length == 0 {
		r.seeds = simDefault / simFewer
	}
	if r.base == 0 {
		r.base = 1_000
		if r.length != 0 {
			r.base = rand.Uint64() >> 1
		}
	}
}

func (r *simRun) play() {
	defer debug.SetGCPercent(debug.SetGCPercent(1600)) // a play leaves a lot behind, and little of it stays
	var all sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			pool, seen := &simPool{}, &sometimes{}
			defer pool.close()
			for r.failedSeed() == 0 {
				n := r.next.Add(1)
				if r.length == 0 && n > int64(r.seeds) || r.length != 0 && time.Since(began) > r.length {
					break
				}
				r.one(seedOf(r.base, uint64(n)), pool, seen)
			}
			r.mu.Lock()
			r.seen.add(seen)
			r.mu.Unlock()
		})
	}
	all.Wait()
}

// seedOf returns the n-th seed of a run: in every third play what usually stays changes too.
func seedOf(base, n uint64) uint64 {
	const every = 3
	if n%every == 0 {
		return (base + n) | changing
	}
	return base + n
}

func (r *simRun) one(seed uint64, pool *simPool, seen *sometimes) {
	w := newSimWorld(seed, pool, seen)
	if w.play() != "" {
		r.mu.Lock()
		if r.failed == 0 {
			r.failed = seed
		}
		r.mu.Unlock()
	}
	r.done.Add(1)
	r.virtual.Add(w.now)
	r.recipients.Add(int64(w.recipients()))
}

func (w *simWorld) recipients() (n int) {
	for _, k := range w.ledger.order {
		n += k.size
	}
	return n
}

func (r *simRun) failedSeed() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// traceOf plays a seed and returns all that happened.
func traceOf(seed uint64, pool *simPool) string {
	w := newSimWorldTraced(seed, pool)
	w.play()
	return fmt.Sprintf("%s%x\n", w.trace.String(), w.hash)
}

// replaySim prints a play.
func replaySim(t *testing.T, seed uint64) {
	t.Helper()
	pool := &simPool{}
	defer pool.close()
	w := newSimWorldTraced(seed, pool)
	failed := w.play()
	t.Logf("seed %d:\n%s%x", seed, w.trace, w.hash)
	require.Empty(t, failed)
}

// reportSim plays a seed that failed once more, and prints the end of it.
func reportSim(t *testing.T, seed uint64) {
	t.Helper()
	pool := &simPool{}
	defer pool.close()
	w := newSimWorldTraced(seed, pool)
	failed := w.play()
	lines := strings.Split(strings.TrimSpace(w.trace.String()), "\n")
	const tail = 60
	t.Errorf("seed %d failed %s\n%s\nplay it again: go test ./batch -run 'TestSim$' -seed %d",
		seed, failed, strings.Join(lines[max(0, len(lines)-tail):], "\n"), seed)
}

func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-5):i], "\n") + "\n< " + x[i] + "\n> " + y[i]
		}
	}
	return fmt.Sprintf("one has %d lines, the other %d", len(x), len(y))
}
