package batch

import (
	"context"
	"errors"
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

// stubborn is a directory that answers at once, but has no answer about some agents: its question hangs until its context
// ends, or, where it is deaf, until the play is over. It is a carrier, too.
type stubborn struct {
	deaf bool
	fail error // what it answers about those agents, without hanging

	mu           sync.Mutex
	hangs        int       // the agents from agent0 on
	inbound      time.Time // the number is inbound only since
	late         time.Duration
	asking, most int
	asked        map[question]time.Time
	soonest      time.Duration // after which it was asked the same
	times        int
	dialled      map[string]time.Time // when the first call of an agent began
	dials        int

	over chan struct{}
}

func newStubborn() *stubborn {
	return &stubborn{
		asked: map[question]time.Time{}, dialled: map[string]time.Time{}, soonest: time.Hour, over: make(chan struct{}),
	}
}

func (d *stubborn) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// client marks the context of who creates a batch, whose questions do not count.
type client struct{}

// note counts a question, and says whether there is no answer.
func (d *stubborn) note(ctx context.Context, q question) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking++
	d.most = max(d.most, d.asking)
	var i int
	_, err := fmt.Sscanf(q.id, "agent%d", &i)
	if ctx.Value(client{}) == nil {
		d.count(q)
	}
	return err == nil && i < d.hangs
}

func (d *stubborn) count(q question) {
	now := time.Now()
	if last, ok := d.asked[q]; ok {
		d.soonest = min(d.soonest, now.Sub(last))
	}
	d.asked[q] = now
	d.times++
}

func (d *stubborn) Organisation(ctx context.Context, _ string) (Organisation, error) {
	d.note(ctx, question{anOrganisation, "o"})
	defer d.set(func() { d.asking-- })
	return Organisation{ConcurrencyLimit: 1000}, nil
}

func (d *stubborn) Agent(ctx context.Context, _, id string) (dialer.Agent, error) {
	hangs := d.note(ctx, question{anAgent, id})
	defer d.set(func() { d.asking-- })
	switch {
	case hangs && d.fail != nil:
		return dialer.Agent{}, d.fail
	case hangs && d.deaf:
		<-d.over
		return dialer.Agent{}, context.Canceled
	case hangs:
		<-ctx.Done()
		return dialer.Agent{}, ctx.Err()
	}
	return dialer.Agent{ID: id}, nil
}

func (d *stubborn) Number(ctx context.Context, _, id string) (Number, error) {
	d.note(ctx, question{aNumber, id})
	defer d.set(func() { d.asking-- })
	d.mu.Lock()
	defer d.mu.Unlock()
	return Number{E164: "+442079460000", Carriers: []string{"x", "gone"}, InboundOnly: !d.inbound.IsZero()}, nil
}

func (d *stubborn) Dial(_ context.Context, c dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	d.set(func() {
		now := time.Now()
		d.dials++
		if _, ok := d.dialled[c.Agent.ID]; !ok {
			d.dialled[c.Agent.ID] = now
		}
		if !d.inbound.IsZero() {
			d.late = now.Sub(d.inbound)
		}
	})
	wait(500 * time.Millisecond)
	if d.fail != nil {
		return dialer.Outcome{}, fmt.Errorf("404: %w", dialer.ErrNotPlaced)
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
}

// play is an engine that dials with the directory, and another one that creates batches without it.
type play struct {
	*stubborn

	dials, creates *Engine
	begun          time.Time
}

// run plays with the two; agents is how many have a batch of 2000 from the beginning, one call at a time.
func (d *stubborn) run(t *testing.T, agents int, use func(t *testing.T, p *play)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d.over = make(chan struct{})
		s := memory.New()
		p := &play{stubborn: d, begun: time.Now()}
		for e, directory := range map[**Engine]Directory{&p.creates: &slowDirectory{agentAt: map[string]time.Time{}, limit: 1}, &p.dials: d} {
			one, err := New(Config{Store: s, Directory: directory, Dialers: map[string]dialer.Dialer{"x": d}})
			require.NoError(t, err)
			*e = one
		}
		createEach(t, p.creates, agents, 2000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.dials.Run(ctx) }()
		use(t, p)
		cancel()
		stopped := time.Now()
		require.NoError(t, <-done)
		require.Less(t, time.Since(stopped), DefaultDrainTimeout+3*DefaultGrace)
		close(d.over)
	})
}

// first says how long after since an agent's first call began; an hour where none did.
func (p *play) first(agent string, since time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.dialled[agent]; ok {
		return at.Sub(since)
	}
	return time.Hour
}

// questions is how many it was asked.
func (d *stubborn) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times
}

// requireBounded requires that not more was asked at a time than may be. Who is deaf is asked no question once more that
// was given up, which counts no longer.
func (d *stubborn) requireBounded(t *testing.T, hung int) {
	t.Helper()
	if d.deaf {
		require.LessOrEqual(t, d.most, hung+maxAskers+1)
		return
	}
	require.LessOrEqual(t, d.most, 2*maxAskers+1)
}

// Questions that hang make no answer count for longer than it would, whether they end with their context or never.
func TestAnAnswerThatHangsMakesNoOtherOld(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for _, c := range []struct{ hang, agents int }{{1, 2}, {1, 12}, {12, 40}, {24, 60}} {
			t.Run(fmt.Sprintf("deaf %t, %d of %d", deaf, c.hang, c.agents), func(t *testing.T) {
				d := newStubborn()
				d.deaf = deaf
				d.run(t, c.agents, func(_ *testing.T, p *play) {
					wait(10 * time.Second)
					p.set(func() { d.hangs = c.hang })
					wait(5 * time.Second)
					p.set(func() { d.inbound = time.Now() })
					wait(3 * time.Minute)
				})
				require.LessOrEqual(t, d.late, 2*DefaultDirectoryTTL, "a number was called from that is inbound only by now")
				d.requireBounded(t, c.hang)
			})
		}
	}
}

// Nor do they keep others from being dialled after a start, nor those who come meanwhile. Where more hang than there are
// places, that is so when each has hung once.
func TestAnAnswerThatHangsStopsNobodyElse(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for _, c := range []struct {
			hang int
			most time.Duration
		}{{1, time.Second / 2}, {12, 3 * time.Second}, {60, 4*DefaultStoreTimeout + 3*time.Second}} {
			t.Run(fmt.Sprintf("deaf %t, %d", deaf, c.hang), func(t *testing.T) {
				d := newStubborn()
				d.deaf, d.hangs = deaf, c.hang
				d.run(t, c.hang+4, func(t *testing.T, p *play) {
					wait(3 * time.Minute)
					for i := range 4 {
						agent := fmt.Sprint("agent", c.hang+i)
						require.LessOrEqual(t, p.first(agent, p.begun), c.most, agent)
					}
					created := time.Now()
					rs := []RecipientRequest{{To: "+12025550000"}}
					_, err := p.creates.Create(t.Context(), "o", Request{Name: "n", AgentID: "new", NumberID: "n", Recipients: rs})
					require.NoError(t, err)
					wait(time.Minute)
					require.LessOrEqual(t, p.first("new", created), 2*time.Second)
				})
				d.requireBounded(t, c.hang)
			})
		}
	}
}

// A recipient whom the number's only carrier refuses for good is asked for once, although the directory fails about
// another batch's agent.
func TestAFailingAgentKeepsNoOtherFromEnding(t *testing.T) {
	d := newStubborn()
	d.hangs, d.fail = 1, errors.New("500")
	d.run(t, 1, func(t *testing.T, p *play) {
		rs := []RecipientRequest{{To: "+12025550000"}}
		b, err := p.creates.Create(t.Context(), "o", Request{Name: "n", AgentID: "agent1", NumberID: "n", Recipients: rs})
		require.NoError(t, err)
		wait(time.Minute)
		got, err := p.creates.Batch(t.Context(), "o", b.ID)
		require.NoError(t, err)
		require.Equal(t, 1, got.Counts.Failed)
		require.Equal(t, 1, d.dials)
	})
}

// However often batches come, the directory is asked only about what it was not asked of late.
func TestWhatWasAskedOfLateIsNotAskedForNewBatches(t *testing.T) {
	const batches, more = 200, 200
	d := newStubborn()
	d.run(t, batches, func(t *testing.T, p *play) {
		wait(5 * time.Second)
		before := p.questions()
		for i := range more {
			rs := []RecipientRequest{{To: "+12025550000"}}
			_, err := p.dials.Create(context.WithValue(t.Context(), client{}, true), "o", Request{
				Name: "n", AgentID: fmt.Sprint("agent", batches+i%15), NumberID: "n", Recipients: rs,
			})
			require.NoError(t, err)
			wait(50 * time.Millisecond)
		}
		asked := p.questions() - before
		t.Logf("%d questions a second", asked/10)
		require.LessOrEqual(t, asked, (batches+2)*11+3*more)
		all, err := p.creates.Batches(t.Context(), store.BatchQuery{Org: "o", Open: true, Limit: 500})
		require.NoError(t, err)
		require.LessOrEqual(t, len(all), batches+20, "the new ones are over as soon as their only call is")
	})
	require.GreaterOrEqual(t, d.soonest, DefaultDirectoryTTL)
}
