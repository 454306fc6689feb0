package storetest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// audit reads everything and derives from recipients and calls what the store says about
// them elsewhere: the identity of the statuses, what is in flight, the revisions.
func (f *fixture) audit() {
	f.Helper()
	f.mu.Lock()
	orgs := slices.Clone(f.orgs)
	f.mu.Unlock()
	for _, org := range orgs {
		f.auditOrg(org)
	}
}

// ledger is what an audit gathers of an organisation.
type ledger struct {
	*fixture

	org      string
	revs     map[int64]string // who has which revision
	max      int64
	feed     []store.Recipient
	inFlight []string
	open     []string
}

func (f *fixture) auditOrg(org string) {
	f.Helper()
	l := &ledger{fixture: f, org: org, revs: map[int64]string{}}
	batches, err := f.Batches(f.ctx, store.BatchQuery{Org: org})
	f.ok(err)
	for _, b := range batches {
		l.auditBatch(b)
	}
	l.auditFeed(batches)
	l.auditFilters()
	l.auditActive()
}

func (l *ledger) auditBatch(b store.Batch) {
	l.Helper()
	l.equal("Batch and Batches say the same", l.again(b), b)
	recipients := l.recipients(b)
	calls, err := l.Calls(l.ctx, store.CallQuery{Org: l.org, BatchID: b.ID})
	l.ok(err)
	attempts := map[int][]store.Call{}
	for _, c := range slices.Backward(calls) { // oldest first
		attempts[c.Index] = append(attempts[c.Index], c)
	}
	var counts fsm.Counts
	for i, r := range recipients {
		l.equal("index of recipient", r.Index, i)
		l.equal("organisation of recipient", r.Org, l.org)
		l.equal("batch of recipient", r.BatchID, b.ID)
		l.equal("CreatedAt of recipient", r.CreatedAt, b.CreatedAt)
		l.auditRecipient(r, attempts[i])
		l.revision(r.ID(), r.Rev)
		if r.Rev >= b.Rev {
			l.Fatalf("the batch has revision %d, but its recipient %d has %d", b.Rev, i, r.Rev)
		}
		counts.Add(r.Status, 1)
		if r.Status == fsm.Failed && r.CallID == "" {
			counts.Unplaced++
		}
	}
	l.equal("counts of batch "+b.ID, b.Counts, counts)
	l.equal("recipients of batch", counts.Scheduled(), len(recipients))
	l.equal("calls of recipients of the batch", len(calls), sum(attempts))
	if !b.CancelledAt.IsZero() && counts.Queued > 0 {
		l.Fatalf("batch %s is cancelled and has %d queued", b.ID, counts.Queued)
	}
	l.revision(b.ID, b.Rev)
	l.feed = append(l.feed, recipients...)
	if !counts.Over() {
		l.open = append(l.open, b.ID)
	}
}

func sum(attempts map[int][]store.Call) (n int) {
	for calls := range maps.Values(attempts) {
		n += len(calls)
	}
	return n
}

// auditRecipient compares a recipient with the attempts to reach it, oldest first.
func (l *ledger) auditRecipient(r store.Recipient, calls []store.Call) {
	l.Helper()
	l.equal("attempts of recipient", r.Attempts, len(calls))
	for i, c := range calls {
		l.equal("number of the attempt", c.Attempt, i+1)
		l.equal("callee of the attempt", c.To, r.To)
		latest := i == len(calls)-1
		if inFlight := c.Status.InFlight(); inFlight != (latest && r.Status.InFlight()) {
			l.Fatalf("attempt %d of %d is %s while its recipient is %s", i+1, len(calls), c.Status, r.Status)
		} else if inFlight {
			l.equal("status of the call in flight", c.Status, r.Status)
			l.inFlight = append(l.inFlight, c.ID)
		}
	}
	if r.CallID != "" {
		if len(calls) == 0 || calls[len(calls)-1].ID != r.CallID {
			l.Fatalf("CallID %s of recipient %d is not its latest attempt", r.CallID, r.Index)
		}
		last := calls[len(calls)-1]
		l.equal("status of recipient and latest attempt", r.Status, last.Status)
		l.equal("end reason of recipient and latest attempt", r.EndReason, last.EndReason)
	}
	l.auditFields(r)
}

func (l *ledger) auditFields(r store.Recipient) {
	l.Helper()
	if r.Error != "" && (r.Status != fsm.Failed || r.CallID != "") {
		l.Fatalf("recipient %d is %s, its call %q, and has the error %q", r.Index, r.Status, r.CallID, r.Error)
	}
	if over := r.Status == fsm.Completed || r.Status == fsm.Failed; r.EndReason != "" && !over {
		l.Fatalf("recipient %d is %s and has the end reason %q", r.Index, r.Status, r.EndReason)
	}
	if waits := r.Status == fsm.Queued || r.Status == fsm.Cancelled; waits && r.CallID != "" {
		l.Fatalf("recipient %d is %s and has the call %q", r.Index, r.Status, r.CallID)
	}
	if (r.Status.InFlight() || r.Status == fsm.Completed) && r.CallID == "" {
		l.Fatalf("recipient %d is %s and has no call", r.Index, r.Status)
	}
}

func (l *ledger) revision(who string, rev int64) {
	l.Helper()
	if other, taken := l.revs[rev]; taken || rev <= 0 {
		l.Fatalf("%s has revision %d, which %q has", who, rev, other)
	}
	l.revs[rev] = who
	l.max = max(l.max, rev)
}

// auditFeed asks for everything since the beginning, by revision.
func (l *ledger) auditFeed(batches []store.Batch) {
	l.Helper()
	slices.SortFunc(l.feed, func(a, b store.Recipient) int { return cmp.Compare(a.Rev, b.Rev) })
	got, err := l.Recipients(l.ctx, store.RecipientQuery{Org: l.org, ByRev: true})
	l.ok(err)
	l.equal("recipients by revision", len(got), len(l.feed))
	for i := range got {
		l.equal("recipient by revision", got[i], l.feed[i])
	}
	want := slices.Clone(batches)
	slices.SortFunc(want, func(a, b store.Batch) int { return cmp.Compare(a.Rev, b.Rev) })
	byRev, err := l.Batches(l.ctx, store.BatchQuery{Org: l.org, ByRev: true})
	l.ok(err)
	l.equal("batches by revision", byRev, want)
}

func (l *ledger) auditFilters() {
	l.Helper()
	inFlight, err := l.Calls(l.ctx, store.CallQuery{Org: l.org, InFlight: true})
	l.ok(err)
	slices.Sort(l.inFlight)
	slices.Reverse(l.inFlight)
	l.equal("calls in flight", callIDs(inFlight), l.inFlight)
	open, err := l.Batches(l.ctx, store.BatchQuery{Org: l.org, Open: true})
	l.ok(err)
	l.equal("open batches", batchIDs(open), l.open)
}

func (l *ledger) auditActive() {
	l.Helper()
	active, err := l.Active(l.ctx)
	l.ok(err)
	for _, a := range active {
		if a.Org == l.org {
			l.equal("revision of the active organisation", a.Rev, l.max)
			l.equal("active with open batches", len(l.open) > 0, true)
			return
		}
	}
	l.equal("open batches of an organisation that is not active", len(l.open), 0)
}
