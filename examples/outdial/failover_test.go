package main

import (
	"errors"
	"flag"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

var failoverCount = flag.Int("failovers", 0, "how often PostgreSQL fails under outdial; 0: once in each way")

// failoverLimit is how soon after a promotion, or what else was done to the database, the next call is placed.
const failoverLimit = 15 * time.Second

// TestFailover takes the database away from two processes of outdial serve, in several ways, while clients create batches. A
// standby has every commit that was acknowledged, and becomes the primary. The carrier, which goes on, has the books that decide.
func TestFailover(t *testing.T) {
	t.Parallel() // it waits most of the time
	if testing.Short() {
		t.Skip("builds a program and promotes databases for half a minute")
	}
	withoutRaceDetector(t)
	f := newFailover(t)
	f.rig.begin()
	for i := range f.total {
		f.round(f.kinds()[i%len(f.kinds())])
	}
	f.rig.finish()
	f.judge()
}

// failover is a primary and its standby, and those who dial from them.
type failover struct {
	t                *testing.T
	rig              *rig
	primary, standby *pgtest.Server
	total            int
	took             map[string][]time.Duration
}

// disaster is a way to take the database away. It returns when there is one again.
type disaster struct {
	name   string
	strike func()
}

func (f *failover) kinds() []disaster {
	return []disaster{
		{"primary killed", f.killed},
		{"connections terminated", f.terminated},
		{"commits of unknown fate", f.unknown},
		{"primary half open", f.halfOpen},
	}
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	f := &failover{t: t, total: *failoverCount, took: map[string][]time.Duration{}}
	if f.total == 0 {
		f.total = len(f.kinds())
	}
	var err error
	f.primary, err = pgtest.Start(t.Context(), pgtest.Options{})
	needPostgres(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(f.primary.Stop(), f.standby.Stop())) })
	_, err = f.primary.Create(t.Context(), "calls")
	require.NoError(t, err)
	f.standby, err = f.primary.Standby(t.Context(), 0)
	if err != nil {
		f.standby = f.primary // for the clean-up
	}
	needPostgres(t, err)
	const nodes = 2
	f.rig = newRig(t, nodes, pgtest.URLOf("calls", f.primary, f.standby))
	return f
}

// begin starts the processes and those who have something to be dialled.
func (r *rig) begin() {
	for _, n := range r.nodes {
		n.startPatiently()
	}
	for org, key := range rigKeys() {
		for i := range rigClients {
			r.clients.Go(func() { r.client(org, key, i) })
		}
	}
	r.awaitDial(time.Now())
}

// startPatiently starts the process with the lease that it has by itself, which may outlast a failover.
func (n *rigNode) startPatiently() {
	args := append([]string{"serve", "--listen", n.address, "--config", n.rig.config()}, n.rig.store...)
	n.said = &listener{}
	n.process = exec.Command(n.rig.binary, args...)
	n.process.Stdout, n.process.Stderr = n.said, n.said
	require.NoError(n.rig.t, n.process.Start())
	process, ended := n.process, make(chan error, 1)
	go func() { ended <- process.Wait() }()
	n.ended = ended
	n.rig.t.Cleanup(func() { _ = process.Process.Kill() }) // where the test fails
}

// finish ends the processes when the clients have what they asked for.
func (r *rig) finish() {
	close(r.enough)
	r.clients.Wait()
	for _, n := range r.nodes {
		n.stop()
	}
}

func (f *failover) round(d disaster) {
	f.rig.awaitDial(time.Now())
	f.rig.pause()
	d.strike()
	there := time.Now()
	took := f.rig.awaitDial(there).Sub(there)
	f.took[d.name] = append(f.took[d.name], took)
	require.Less(f.t, took, failoverLimit, d.name)
	f.restore()
}

func (f *failover) killed() {
	f.primary.Kill()
	f.promote()
}

// halfOpen leaves a primary that holds its connections and says nothing.
func (f *failover) halfOpen() {
	require.NoError(f.t, f.primary.Signal(syscall.SIGSTOP))
	f.promote()
}

func (f *failover) terminated() {
	require.NoError(f.t, f.primary.Exec(f.t.Context(), "calls", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`))
}

// unknown kills the primary while commits wait for the standby, which gets to see some of them and not others.
func (f *failover) unknown() {
	require.NoError(f.t, f.standby.Signal(syscall.SIGSTOP))
	const look = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	require.Eventually(f.t, func() bool { return f.ask(look) != "0" }, time.Minute, 5*time.Millisecond)
	f.primary.Kill()
	require.NoError(f.t, f.standby.Signal(syscall.SIGCONT))
	f.promote()
}

func (f *failover) ask(query string) string {
	f.t.Helper()
	answer, err := f.primary.Ask(f.t.Context(), "calls", query)
	require.NoError(f.t, err)
	return answer
}

func (f *failover) promote() {
	require.NoError(f.t, f.standby.Promote(f.t.Context()), "%s", f.standby.Log())
	f.primary, f.standby = f.standby, f.primary
}

// restore puts a standby beside the primary again. A former primary that still is there wakes up for a moment first.
func (f *failover) restore() {
	if f.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "0" {
		return // nobody was promoted
	}
	port := f.standby.Port()
	_ = f.standby.Signal(syscall.SIGCONT) // it may be over
	f.standby.Kill()
	require.NoError(f.t, f.standby.Stop())
	next, err := f.primary.Standby(f.t.Context(), port)
	require.NoError(f.t, err)
	f.standby = next
}

// judge compares what outdial says with what happened at the carrier.
func (f *failover) judge() {
	r := f.rig
	r.kills = f.total * len(r.nodes) // as many may have had to leave a lease behind
	books := r.carrier.Books()
	r.judgeBooks(books)
	for org := range rigKeys() {
		r.judgeOrganisation(org, books)
	}
	f.t.Logf("%d failures of the database; %d batches, %d calls placed; %d recipients failed because what became of their "+
		"call could not be known", f.total, len(r.batches), books.Placed(fake.Scope{}), r.unknown)
	for _, d := range f.kinds() {
		took := f.took[d.name]
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		f.t.Logf("%s, %d times: to the next call median %v, longest %v", d.name, len(took),
			took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
}
