package batch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// slowDirectory takes its time for each agent. It is a carrier, too, which knows how old what it said was when a call
// begins: a question that is being asked then makes it seem no older than it is.
type slowDirectory struct {
	perAgent time.Duration
	limit    int

	mu           sync.Mutex
	asking, most int
	limitAt      time.Time
	agentAt      map[string]time.Time
	oldestLimit  time.Duration
	oldestAgent  time.Duration
}

func (d *slowDirectory) Organisation(context.Context, string) (Organisation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limitAt = time.Now()
	return Organisation{ConcurrencyLimit: d.limit}, nil
}

func (d *slowDirectory) Agent(ctx context.Context, _, id string) (dialer.Agent, error) {
	begun := time.Now()
	d.count(1)
	defer d.count(-1)
	wait(d.perAgent)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agentAt[id] = begun
	return dialer.Agent{ID: id}, ctx.Err()
}

func (d *slowDirectory) count(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking += n
	d.most = max(d.most, d.asking)
}

func (*slowDirectory) Number(context.Context, string, string) (Number, error) {
	return Number{E164: "+442079460000", Carriers: []string{"x"}}, nil
}

func (d *slowDirectory) Dial(_ context.Context, c dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	d.mu.Lock()
	d.oldestLimit = max(d.oldestLimit, time.Since(d.limitAt))
	d.oldestAgent = max(d.oldestAgent, time.Since(d.agentAt[c.Agent.ID]))
	d.mu.Unlock()
	wait(time.Second)
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
}

// wait lets time pass in a bubble, where it costs none.
func wait(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // a bubble's clock, not the machine's

// dialledBy has an engine dial with the directory while use uses it.
func dialledBy(t *testing.T, d *slowDirectory, use func(t *testing.T, e *Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d.agentAt = map[string]time.Time{}
		e, err := New(Config{Store: memory.New(), Directory: d, Dialers: map[string]dialer.Dialer{"x": d}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		wait(time.Second)
		use(t, e)
		cancel()
		require.NoError(t, <-done)
	})
}

// createEach creates batches of n recipients, each with an agent of its own.
func createEach(t *testing.T, e *Engine, batches, n int) {
	t.Helper()
	rs := make([]RecipientRequest, n)
	for i := range rs {
		rs[i].To = fmt.Sprintf("+1202555%04d", i)
	}
	for i := range batches {
		_, err := e.Create(t.Context(), "o", Request{
			Name: "n", AgentID: fmt.Sprint("agent", i), NumberID: "n", Target: 1, Recipients: rs,
		})
		require.NoError(t, err)
	}
}

// A directory that takes a few milliseconds for each agent does not slow an organisation with many of them; no call
// begins on an answer that is too old.
func TestManyAgentsDoNotStopAnOrganisation(t *testing.T) {
	d := &slowDirectory{perAgent: 5 * time.Millisecond, limit: 100}
	dialledBy(t, d, func(t *testing.T, e *Engine) {
		createEach(t, e, 1000, 10)
		wait(time.Minute)
		all, err := e.Batches(t.Context(), store.BatchQuery{Org: "o"})
		require.NoError(t, err)
		begun := 0
		for _, b := range all {
			begun += b.Counts.Scheduled() - b.Counts.Queued
		}
		require.Greater(t, begun, 100*60*3/4, "of those that the limit allows in a minute")
	})
	require.LessOrEqual(t, d.oldestLimit, 2*DefaultDirectoryTTL)
	require.LessOrEqual(t, d.oldestAgent, 2*DefaultDirectoryTTL)
	require.Contains(t, []int{maxAskers, maxAskers + 1}, d.most, "a request asks, too")
}

// Where it takes longer for all of them than an answer counts, each counts until it has been asked for again, and the
// limit no longer than it does otherwise.
func TestNoCallBeginsOnAnOldAnswer(t *testing.T) {
	d := &slowDirectory{perAgent: 100 * time.Millisecond, limit: 10}
	dialledBy(t, d, func(t *testing.T, e *Engine) {
		createEach(t, e, 500, 2)
		wait(3 * time.Minute)
		_, total, err := e.totals(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1000, total)
	})
	require.LessOrEqual(t, d.oldestLimit, 2*DefaultDirectoryTTL)
	const round = 500 * 100 * time.Millisecond / maxAskers
	require.LessOrEqual(t, d.oldestAgent, 2*round)
}

// totals counts the recipients of the organisation that are queued, and those that are not.
func (e *Engine) totals(ctx context.Context) (queued, begun int, err error) {
	all, err := e.Batches(ctx, store.BatchQuery{Org: "o"})
	for _, b := range all {
		queued += b.Counts.Queued
		begun += b.Counts.Scheduled() - b.Counts.Queued
	}
	return queued, begun, err
}

// A directory that takes longer for each answer than it would count keeps nobody waiting for ever.
func TestASlowDirectoryIsEnough(t *testing.T) {
	d := &slowDirectory{perAgent: 5 * DefaultDirectoryTTL, limit: 10}
	dialledBy(t, d, func(t *testing.T, e *Engine) {
		createEach(t, e, 10, 3)
		wait(3 * time.Minute)
		queued, _, err := e.totals(t.Context())
		require.NoError(t, err)
		require.Zero(t, queued)
	})
}

// What the directory said of agents and numbers whose batches are over is not kept, nor that an agent rested, however
// long the organisation has something to do.
func TestAgentsOfBatchesThatAreOverAreForgotten(t *testing.T) {
	d := &slowDirectory{limit: 10}
	dialledBy(t, d, func(t *testing.T, e *Engine) {
		_, err := e.Create(t.Context(), "o", Request{
			Name: "later", AgentID: "later", NumberID: "n", ScheduledAt: time.Now().Add(100 * time.Hour),
			Recipients: []RecipientRequest{{To: "+12025550000"}},
		})
		require.NoError(t, err)
		for i := range 30 {
			_, err := e.Create(t.Context(), "o", Request{
				Name: "n", AgentID: fmt.Sprint("agent", i), NumberID: "n", Recipients: []RecipientRequest{{To: "+12025550000"}},
			})
			require.NoError(t, err)
			wait(5 * time.Second)
		}
		l := e.loopOf("o")
		require.NotNil(t, l)
		l.mu.Lock()
		defer l.mu.Unlock()
		require.Len(t, l.sched.jobs, 1)
		require.LessOrEqual(t, len(l.book.agents), 2)
		require.LessOrEqual(t, len(l.book.said), 4)
	})
}

// After a pause what was said before it does not count until it was asked for again, although the directory is being
// asked; where there was no pause it does.
func TestAnAnswerFromBeforeAPauseDoesNotCount(t *testing.T) {
	now := time.Now()
	j := &job{batch: store.Batch{AgentID: "a", NumberID: "n"}}
	agent := &said{question: question{anAgent, "a"}, until: now.Add(-time.Second)}
	number := &said{question: question{aNumber, "n"}, until: now}
	l := &loop{book: newDirectoryBook("o", time.Second, time.Minute)}
	l.book.said[agent.question], l.book.said[number.question] = agent, number
	quick := &l.book.lanes.quick
	require.False(t, l.fresh(j, now))
	quick.full = now.Add(-time.Second / 2) // the places have been taken for less long than it has not counted
	require.False(t, l.fresh(j, now))
	quick.full = now.Add(-time.Minute)
	require.True(t, l.fresh(j, now))
	agent.asking, agent.asked = true, now.Add(-time.Second/2)
	require.True(t, l.fresh(j, now))
	agent.asked = now.Add(-time.Second) // it has been asked again, and there is no answer
	require.False(t, l.fresh(j, now))
	quick.full = time.Time{}
	agent.until, number.until = now, now.Add(-time.Second)
	require.False(t, l.fresh(j, now))
	number.until = now
	require.True(t, l.fresh(j, now))
	require.False(t, l.fresh(j, now.Add(time.Nanosecond)))
}

// oneHangs has no answer about one agent.
type oneHangs struct{ *slowDirectory }

func (d oneHangs) Agent(ctx context.Context, org, id string) (dialer.Agent, error) {
	if id == "agent0" && d.asked(id) {
		<-ctx.Done()
		return dialer.Agent{}, ctx.Err()
	}
	return d.slowDirectory.Agent(ctx, org, id)
}

func (d *slowDirectory) asked(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.agentAt[id].IsZero()
}

// An agent about whom the directory never answers again stops nobody else's batches.
func TestOneAnswerThatNeverComesStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const agents = 40
		d := oneHangs{&slowDirectory{perAgent: 100 * time.Millisecond, limit: 1000, agentAt: map[string]time.Time{}}}
		e, err := New(Config{Store: memory.New(), Directory: d, Dialers: map[string]dialer.Dialer{"x": d}})
		require.NoError(t, err)
		createEach(t, e, agents, 400)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		wait(2 * time.Minute)
		all, err := e.Batches(t.Context(), store.BatchQuery{Org: "o"})
		require.NoError(t, err)
		for _, b := range all {
			if b.AgentID != "agent0" {
				require.Greater(t, b.Counts.Scheduled()-b.Counts.Queued, 80, "of a call a second in two minutes: %s", b.AgentID)
				continue
			}
			w, err := e.WhyBatch(t.Context(), "o", b.ID)
			require.NoError(t, err)
			require.Equal(t, WaitDirectory, w.Reason, w.Detail)
		}
		cancel()
		require.NoError(t, <-done)
	})
}

// polite gives a question up when it has to.
type polite struct{ *slowDirectory }

func (d polite) Agent(ctx context.Context, _, id string) (dialer.Agent, error) {
	select {
	case <-ctx.Done():
		return dialer.Agent{}, ctx.Err()
	case <-time.After(d.perAgent):
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agentAt[id] = time.Now()
	return dialer.Agent{ID: id}, nil
}

// Each question has the store's timeout, not all of them together: or the last ones would never be answered.
func TestNoQuestionIsTooLateInItsRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := polite{&slowDirectory{perAgent: 190 * time.Millisecond, limit: 400, agentAt: map[string]time.Time{}}}
		e, err := New(Config{
			Store: memory.New(), Directory: d, StoreTimeout: 5 * time.Second, Dialers: map[string]dialer.Dialer{"x": d},
		})
		require.NoError(t, err)
		createEach(t, e, 400, 10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		wait(3 * time.Minute)
		all, err := e.Batches(t.Context(), store.BatchQuery{Org: "o", Limit: 500})
		require.NoError(t, err)
		require.Len(t, all, 400)
		for _, b := range all {
			require.NotEqual(t, b.Counts.Scheduled(), b.Counts.Queued, "nobody was dialled: %s", b.AgentID)
		}
		cancel()
		require.NoError(t, <-done)
	})
}
