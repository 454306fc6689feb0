package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Why tells why a recipient has not been dialled yet. The zero Waiting: it does not wait,
// its status says where it stands. ErrNotFound for an id that is none of the organisation's
// recipients.
//
// What only the engine that dials knows (limits reached, pacing, a carrier at rest) is
// told by that engine; another one tells what can be seen in the store.
func (e *Engine) Why(ctx context.Context, org, recipientID string) (Waiting, error) {
	batchID, index, err := store.ParseRecipientID(recipientID)
	if err != nil {
		return Waiting{}, fmt.Errorf("batch: %w", err)
	}
	b, err := e.Batch(ctx, org, batchID)
	if err != nil {
		return Waiting{}, err
	}
	r, err := e.recipient(ctx, org, batchID, index)
	if err != nil || r.Status != fsm.Queued {
		return Waiting{}, err
	}
	w, err := e.explain(ctx, b)
	if err != nil {
		return Waiting{}, err
	}
	position, err := e.position(ctx, r)
	return w.again(r).At(position), err
}

// again tells of a recipient that waits for another attempt how many there were.
func (w Waiting) again(r store.Recipient) Waiting {
	if r.Attempts > 0 && w.Reason != "" {
		w.Detail += fmt.Sprintf("; attempts that came to nothing: %d", r.Attempts)
	}
	return w
}

// WhyBatch tells why the next recipient of a batch has not been dialled yet. The zero
// Waiting: no recipient is queued. ErrNotFound. Waiting.At tells of those behind it.
func (e *Engine) WhyBatch(ctx context.Context, org, batchID string) (Waiting, error) {
	b, err := e.Batch(ctx, org, batchID)
	if err != nil || b.Counts.Queued == 0 {
		return Waiting{}, err
	}
	return e.explain(ctx, b)
}

// At is the answer for the recipient that has so many of its batch before it, made from the
// answer for the next one. Whoever shows a list asks once and counts.
func (w Waiting) At(position int) Waiting {
	if w.Reason == "" {
		return w
	}
	w.Position = position
	// The carrier's next start is the batch's next recipient's, not this one's.
	if w.pace <= 0 || (!w.Until.IsZero() && (w.Reason != WaitPacing || position == 0)) {
		return w
	}
	wait := float64(position+1) / w.pace
	w.Until = w.asked.Add(time.Duration(wait * float64(time.Second))).Truncate(time.Second)
	return w
}

func (e *Engine) recipient(ctx context.Context, org, batchID string, index int) (store.Recipient, error) {
	rs, err := e.Recipients(ctx, store.RecipientQuery{
		Org: org, BatchID: batchID, From: index, Limit: 1, NoMetadata: true,
	})
	if err != nil {
		return store.Recipient{}, err
	}
	if len(rs) == 0 || rs[0].Index != index {
		return store.Recipient{}, fmt.Errorf("batch: recipient %d of batch %.40q: %w", index, batchID, ErrNotFound)
	}
	return rs[0], nil
}

// position counts the recipients that come first: see [store.Claim] for their order.
func (e *Engine) position(ctx context.Context, r store.Recipient) (position int, err error) {
	q := store.RecipientQuery{
		Org: r.Org, BatchID: r.BatchID, Statuses: []fsm.RecipientStatus{fsm.Queued}, NoMetadata: true,
	}
	if r.Attempts == 0 {
		if r.Index == 0 {
			return 0, nil
		}
		q.Before = r.Index // nobody behind it comes before it
	}
	rs, err := e.Recipients(ctx, q)
	for _, other := range rs {
		if other.Attempts < r.Attempts || other.Attempts == r.Attempts && other.Index < r.Index {
			position++
		}
	}
	return position, err
}

// explain looks for the first thing that keeps the batch from being dialled.
func (e *Engine) explain(ctx context.Context, b store.Batch) (Waiting, error) {
	now := e.now()
	switch {
	case !b.PausedAt.IsZero():
		return Waiting{Reason: WaitPaused, Detail: "the batch is paused"}, nil
	case b.ScheduledAt.After(now):
		return Waiting{Reason: WaitScheduled, Detail: "the batch begins later", Until: b.ScheduledAt}, nil
	}
	alive, err := e.dialled(ctx, b.Region)
	if err != nil {
		return Waiting{}, err
	}
	if !alive {
		return Waiting{Reason: WaitNotRunning, Detail: "no running engine dials the region " + b.Region}, nil
	}
	w, ok := e.explainHere(b)
	if !ok {
		if w, err = e.explainFromStore(ctx, b); err != nil {
			return Waiting{}, err
		}
	}
	if w.Reason != WaitNotRunning {
		w.asked, w.pace = now, e.pace(b, now)
	}
	return w, nil
}

// dialled says whether an engine is alive that dials the region and is, as far as is known here, not about to stop.
func (e *Engine) dialled(ctx context.Context, region string) (bool, error) {
	nodes, err := e.cfg.Store.Nodes(ctx)
	if err != nil {
		return false, fmt.Errorf("batch: nodes: %w", err)
	}
	s := e.current()
	stops := s != nil && s.stops()
	return slices.ContainsFunc(nodes, func(n store.Node) bool {
		if n.Lapsed || (stops && n.ID == s.node.ID) {
			return false
		}
		return len(n.Regions) == 0 || slices.Contains(n.Regions, region)
	}), nil
}

// explainHere asks the scheduler, if it is this engine that dials the batch.
func (e *Engine) explainHere(b store.Batch) (Waiting, bool) {
	l := e.loopOf(b.Org)
	if l == nil {
		return Waiting{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.storeError != nil {
		return Waiting{Reason: WaitStore, Detail: "the store cannot be reached, so no call may start"}, true
	}
	return l.sched.explain(b.ID, e.sys.now())
}

func (e *Engine) loopOf(org string) *loop {
	s := e.current()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loops[org]
}

// explain tells what kept the batch from getting a unit in the last step.
func (s *scheduler) explain(batchID string, now time.Time) (Waiting, bool) {
	j := s.jobs[batchID]
	switch {
	case j == nil || !s.dials(j.batch.Region) || s.draining:
		return Waiting{}, false // others dial it: the store shows what they do
	case s.held:
		return Waiting{Reason: WaitStore, Detail: "the engine waits for the store or the directory"}, true
	case j.unable.reason == WaitDirectory:
		return Waiting{Reason: WaitDirectory, Detail: "the directory cannot be asked"}, true
	case j.unable.reason == WaitAgent:
		return Waiting{Reason: WaitAgent, Detail: fmt.Sprintf("there is no agent %q", j.batch.AgentID)}, true
	case j.unable.reason == WaitNumber:
		return Waiting{Reason: WaitNumber, Detail: fmt.Sprintf("there is no number %q to call from", j.batch.NumberID)}, true
	case j.inFlight >= j.batch.Target:
		return Waiting{Reason: WaitBatchLimit, Detail: fmt.Sprintf("%d calls are in flight, as many as the batch may have",
			j.inFlight)}, true
	case now.Before(j.restUntil):
		return Waiting{
			Reason: WaitPacing, Until: stored(j.restUntil),
			Detail: "the carriers were not asked to call those that are left, or refused them, and are left alone for a while",
		}, true
	case s.full:
		return Waiting{Reason: WaitOrgLimit, Detail: fmt.Sprintf("the organisation's limit of %d is in use", s.limit)}, true
	case j.stale:
		return Waiting{Reason: WaitDirectory, Detail: "the directory has not answered for a while"}, true
	case j.route == nil:
		return Waiting{Reason: WaitItsTurn, Detail: "the batch has just been created"}, true
	case j.route.blocked.reason != "":
		return Waiting{
			Reason: j.route.blocked.reason, Until: stored(j.route.blocked.until), Detail: s.blockage(j.route, now),
		}, true
	}
	return Waiting{Reason: WaitItsTurn, Detail: "others come first"}, true
}

// blockage tells of each carrier of a route why it took no call. What a carrier said is the host's to
// know, see Engine.Carriers: it may be about another organisation's call.
func (s *scheduler) blockage(r *route, now time.Time) string {
	if r.blocked.reason == WaitAgent {
		return "the agent cannot be reached"
	}
	if len(r.carriers) == 0 {
		return "the number has no carrier"
	}
	parts := make([]string, len(r.carriers))
	for i, name := range r.carriers {
		parts[i] = fmt.Sprintf("%s: %s", name, s.carrier(name).condition(r.from, r.units, now))
	}
	what := map[WaitReason]string{
		WaitChannels:  "the carrier's channels are in use",
		WaitPacing:    "the carrier takes no more calls this moment",
		WaitNoCarrier: "no carrier of the number takes calls now",
	}
	return what[r.blocked.reason] + " (" + strings.Join(parts, "; ") + ")"
}

// condition says what a call from a number would meet.
func (c *carrier) condition(from dialer.Phone, units int, now time.Time) string {
	if c == nil {
		return "there is no such carrier here"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	whole, caller := c.breaker.state(now), (&breaker{}).state(now)
	if b := c.callers[from]; b != nil {
		caller = b.state(now)
	}
	switch {
	case whole.Position == BreakerOpen && c.breaker.tripped:
		return "it rests, because too many calls broke down"
	case whole.Position == BreakerOpen:
		return "it rests, because it takes no calls at present" + c.breaker.said()
	case whole.Position == BreakerHalfOpen:
		return "it is being tried out after a rest" + c.breaker.said()
	case c.breaker.busy(now):
		return "it takes calls again after a rest, and is asked for more as it does"
	case caller.Position == BreakerOpen:
		return "it takes no calls from this number at present" + c.callers[from].said()
	case caller.Position == BreakerHalfOpen:
		return "it is being tried out whether it takes calls from this number"
	case c.share == 0:
		return "other nodes have it"
	case c.channels != nil && units > c.most:
		return fmt.Sprintf("a call needs %d of its %d channels", units, c.most)
	case c.channels != nil && c.units+c.before >= c.most:
		return fmt.Sprintf("its %d channels are in use", c.most)
	}
	return "it takes no more calls this moment"
}

// said is what the other side said that everybody may read.
func (b *breaker) said() string {
	if b.notice == "" {
		return ""
	}
	return ": " + b.notice
}

// explainFromStore tells what can be seen without the engine that dials.
func (e *Engine) explainFromStore(ctx context.Context, b store.Batch) (Waiting, error) {
	if b.Counts.InFlight() >= b.Target {
		return Waiting{Reason: WaitBatchLimit, Detail: fmt.Sprintf(
			"%d calls are in flight, as many as the batch may have", b.Counts.InFlight())}, nil
	}
	o, err := e.cfg.Directory.Organisation(ctx, b.Org)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Waiting{}, fmt.Errorf("batch: organisation %.40q: %w", b.Org, err)
	}
	open, err := e.Batches(ctx, store.BatchQuery{Org: b.Org, Open: true})
	if err != nil {
		return Waiting{}, err
	}
	inFlight := 0
	for _, other := range open {
		inFlight += other.Counts.InFlight()
	}
	if inFlight >= o.ConcurrencyLimit {
		return Waiting{Reason: WaitOrgLimit, Detail: fmt.Sprintf(
			"%d calls are in flight, as many as the organisation may have", inFlight)}, nil
	}
	return Waiting{Reason: WaitItsTurn, Detail: "others come first"}, nil
}

// pace is how many recipients of the batch a second have been dialled lately, 0 where it
// cannot be said.
func (e *Engine) pace(b store.Batch, now time.Time) float64 {
	l := e.loopOf(b.Org)
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if j := l.sched.jobs[b.ID]; j != nil {
		return j.pace.rate(now)
	}
	return 0
}
