package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

var killLease = flag.Duration("killlease", time.Second,
	"the lease of the processes over PostgreSQL that TestKillNodes kills; outdial's default is 10s")

// The limits that TestKillNodes has, each below what the ones inside of it allow together, so that each is reached:
// two batches at once in each of two organisations over one carrier.
const (
	rigTarget, rigLimit, rigChannels = 5, 7, 10

	rigRecipients = 40
	rigClients    = 2 // of each organisation
)

const rigConfig = `
organisations:
  red: {concurrency_limit: %[1]d, region: EU, api_keys: ["%[2]s"]}
  blue: {concurrency_limit: %[1]d, region: EU, api_keys: ["%[3]s"]}
agents: {red-agent: {organisation: red}, blue-agent: {organisation: blue}}
carriers: {trunk: "fake://%[4]s?channels=%[5]d"}
numbers:
  red-number: {organisation: red, e164: "+442079460998", carriers: [trunk]}
  blue-number: {organisation: blue, e164: "+442079460999", carriers: [trunk]}
`

// rigKeys are the API keys of the organisations.
func rigKeys() map[string]string {
	return map[string]string{"red": "od_redredredredredredredred", "blue": "od_bluebluebluebluebluebl"}
}

// TestKillNodes kills processes of outdial serve with SIGKILL at random moments and starts them again, while clients create
// batches. Calls go on at the carrier, which is not killed: it is in this process, and has the books that decide.
func TestKillNodes(t *testing.T) {
	t.Parallel() // it waits most of the time
	if testing.Short() {
		t.Skip("builds and kills a program for some seconds")
	}
	t.Run("SQLite", func(t *testing.T) {
		withoutRaceDetector(t)
		t.Parallel()
		newRig(t, 1, "").kill()
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		withoutRaceDetector(t)
		t.Parallel()
		newRig(t, 1, newPostgres(t)).kill()
	})
	t.Run("PostgreSQL, three nodes", func(t *testing.T) {
		t.Parallel()
		newRig(t, 3, newPostgres(t)).kill()
	})
}

// withoutRaceDetector skips what .ci/run calls without it right afterwards, many times as often. The programs that are killed
// are built without it in any case, and what this process does for them it does for three nodes, too.
func withoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("run it without -race")
	}
}

// rig is what is killed, and who watches.
type rig struct {
	t      *testing.T
	dir    string
	binary string
	store  []string // arguments that name the database
	random *rand.Rand

	carrier *fake.Carrier
	placed  chan time.Time // of each call that the carrier took, unless nobody looks
	nodes   []*rigNode
	total   int // kills to come to
	kills   int

	recoveries []time.Duration
	unknown    int // recipients that ended as an error

	clients sync.WaitGroup
	enough  chan struct{} // closed: no further batches
	mu      sync.Mutex
	batches map[string]string // that clients were promised, and whose they are
}

// rigNode is a process that is killed and started again.
type rigNode struct {
	rig     *rig
	address string
	said    *listener
	process *exec.Cmd
	ended   chan error
}

func newRig(t *testing.T, nodes int, postgres string) *rig {
	t.Helper()
	const few, many = 6, 10
	total := *killCount
	if total == 0 {
		total = few
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			total = many
		}
	}
	seed := cmp.Or(*killSeed, uint64(time.Now().UnixNano()))
	t.Logf("%d kills, -killseed %d", total, seed)
	r := &rig{
		t: t, dir: t.TempDir(), binary: program(t), random: rand.New(rand.NewPCG(seed, 0)), total: total,
		placed: make(chan time.Time), enough: make(chan struct{}), batches: map[string]string{},
	}
	r.store = []string{"--db", filepath.Join(r.dir, "test.db")}
	if postgres != "" {
		r.store = []string{"--store", postgres}
	}
	r.newCarrier()
	for range nodes {
		r.nodes = append(r.nodes, &rigNode{rig: r, address: freeAddress(t), said: &listener{}})
	}
	return r
}

// newCarrier writes the configuration, too.
func (r *rig) newCarrier() {
	carrier, err := fake.New(fake.Config{
		Books: true, Shares: fake.Shares{Answer: 0.6, NoAnswer: 0.2, Busy: 0.1, Failed: 0.05, Refused: 0.05},
		Ring: 2 * time.Second, Talk: 12 * time.Second, Speed: 20, Remember: 1_000_000, Observe: r.observe,
	})
	require.NoError(r.t, err)
	r.carrier = carrier
	keys := rigKeys()
	text := fmt.Sprintf(rigConfig, rigLimit, hashOf(keys["red"]), hashOf(keys["blue"]), serveFake(r.t, carrier), rigChannels)
	require.NoError(r.t, os.WriteFile(r.config(), []byte(text), 0o600))
}

func (r *rig) config() string { return filepath.Join(r.dir, "config.yaml") }

func (r *rig) observe(e fake.Entry) {
	if e.Event != fake.Placed {
		return
	}
	select {
	case r.placed <- e.At:
	default:
	}
}

// kill does all of it.
func (r *rig) kill() {
	for _, n := range r.nodes {
		n.start()
	}
	for org, key := range rigKeys() {
		for i := range rigClients {
			r.clients.Go(func() { r.client(org, key, i) })
		}
	}
	r.awaitDial(time.Now())
	for r.kills < r.total {
		r.killSome()
	}
	close(r.enough)
	r.clients.Wait()
	for _, n := range r.nodes {
		n.stop()
	}
	r.judge()
}

// killSome kills a process, or now and then all of them, and starts them again. After every other time it waits for the next
// call, so that it is known how long that takes: where a further kill comes first, that says nothing.
func (r *rig) killSome() {
	r.pause()
	victims := []*rigNode{r.nodes[r.random.IntN(len(r.nodes))]}
	if r.random.IntN(5) == 0 {
		victims = r.nodes
	}
	for _, n := range victims {
		n.kill()
		r.kills++
	}
	killed := time.Now()
	for _, n := range victims {
		n.start()
	}
	if len(r.recoveries) == 0 || r.random.IntN(2) == 0 {
		r.recoveries = append(r.recoveries, r.awaitDial(killed).Sub(killed))
	}
}

// pause favours the beginning of a process's life: it makes or opens the database, then it takes over what the one before
// has left.
func (r *rig) pause() {
	spans := []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond}
	d := time.Duration(r.random.Int64N(int64(spans[r.random.IntN(len(spans))])))
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	r.requireAlive()
}

// requireAlive says that no process has ended but by a kill.
func (r *rig) requireAlive() {
	r.t.Helper()
	for _, n := range r.nodes {
		select {
		case err := <-n.ended:
			require.FailNow(r.t, "a process has ended by itself", "%v: %s", err, n.said)
		default:
		}
	}
}

// awaitDial waits for the first call that is placed after a time.
func (r *rig) awaitDial(after time.Time) time.Time {
	r.t.Helper()
	patience, look := time.After(2*time.Minute), time.NewTicker(100*time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			r.requireAlive()
		case at := <-r.placed:
			if at.After(after) {
				return at
			}
		case <-patience:
			require.FailNow(r.t, "no call is placed any more", "%s", r.nodes[0].said)
		}
	}
}

func (n *rigNode) start() {
	args := append([]string{"serve", "--listen", n.address, "--config", n.rig.config()}, n.rig.store...)
	if n.rig.store[0] == "--store" {
		args = append(args, "--lease", killLease.String())
	}
	n.said = &listener{}
	n.process = exec.Command(n.rig.binary, args...)
	n.process.Stdout, n.process.Stderr = n.said, n.said
	require.NoError(n.rig.t, n.process.Start())
	process, ended := n.process, make(chan error, 1)
	go func() { ended <- process.Wait() }()
	n.ended = ended
	n.rig.t.Cleanup(func() { _ = process.Process.Kill() }) // where the test fails
}

func (n *rigNode) kill() {
	require.NoError(n.rig.t, n.process.Process.Kill())
	err := <-n.ended
	require.True(n.rig.t, isKilled(err), "%v: %s", err, n.said)
}

// stop ends it as an operator would.
func (n *rigNode) stop() {
	require.NoError(n.rig.t, n.process.Process.Signal(syscall.SIGTERM))
	require.NoError(n.rig.t, <-n.ended, n.said)
}

// client creates one batch after the other, at whichever process answers, and follows each to its end.
func (r *rig) client(org, key string, number int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	c := newRigClient(r, key, number)
	defer c.close()
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-r.enough:
			return
		default:
		}
		id := c.create(ctx, org, fmt.Sprintf("%s-%d-%d", org, number, i))
		r.mu.Lock()
		r.batches[id] = org
		r.mu.Unlock()
		if !c.follow(ctx, id) {
			r.t.Errorf("batch %s does not come to its end", id)
			return
		}
	}
}

// reportTimes says how long it took from a kill to the next call.
func (r *rig) reportTimes() {
	took := slices.Clone(r.recoveries)
	require.NotEmpty(r.t, took, "no kill was waited for")
	slices.Sort(took)
	const percent = 99
	p99 := took[(len(took)*percent+99)/100-1]
	r.t.Logf("from a kill to the next call, of %d that were waited for: median %v, p99 %v, longest %v", len(took),
		took[len(took)/2].Round(time.Millisecond), p99.Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	// Far above what it takes, since the machine may be busy: the figure above is the result.
	require.Less(r.t, p99, *killLease*2+time.Minute)
}
