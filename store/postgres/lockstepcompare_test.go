package postgres_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// plainBatch is without revisions, which each store counts for itself, and what a repetition may tell anew.
func (l *lockstep) plainBatch(b store.Batch) store.Batch {
	b.Rev = 0
	for _, at := range []*time.Time{&b.CreatedAt, &b.UpdatedAt, &b.ScheduledAt, &b.AdmittedAt, &b.PausedAt, &b.CancelledAt} {
		*at = at.UTC()
	}
	if l.faults {
		b.UpdatedAt = time.Time{}
	}
	return b
}

func (l *lockstep) sameBatch(want, got store.Batch) {
	l.Helper()
	require.Equal(l, l.plainBatch(want), l.plainBatch(got))
}

func plainCall(c store.Call) store.Call {
	for _, at := range []*time.Time{&c.DispatchedAt, &c.RangAt, &c.StartedAt, &c.EndedAt, &c.HangUpAt} {
		*at = at.UTC()
	}
	return c
}

func (l *lockstep) sameClaimed(want, got []store.Claimed) {
	l.Helper()
	require.Len(l, got, len(want))
	for i := range want {
		require.Equal(l, plainCall(want[i].Call), plainCall(got[i].Call))
		require.Equal(l, want[i].Metadata, got[i].Metadata)
	}
}

func (l *lockstep) sameAdvanced(want, got store.Advanced, replay bool) {
	l.Helper()
	if replay { // an event that was lost may be one that the call has passed
		require.Subset(l, want.Lost, got.Lost)
	} else {
		require.Equal(l, want.Lost, got.Lost)
	}
	l.sameClaimed(want.Claimed, got.Claimed)
	require.Equal(l, want.InFlight, got.InFlight)
	require.Len(l, got.Batches, len(want.Batches))
	byID := map[string]store.Batch{}
	for _, b := range got.Batches {
		byID[b.ID] = b
	}
	for _, b := range want.Batches {
		g := byID[b.ID]
		g.RetryKey = b.RetryKey // of which a step may tell the one before
		l.sameBatch(b, g)
	}
}

// compare holds all that the stores list against the model, and their rows against each other.
func (l *lockstep) compare() {
	l.Helper()
	for _, org := range l.orgs {
		l.follow(org)
		got := l.sameBatches(org)
		l.sameCalls(org)
		for _, b := range got {
			l.sameRecipients(b)
		}
	}
	var wrong int
	require.NoError(l, session(l, l.url).QueryRow(l.Context(), contradictions).Scan(&wrong))
	require.Zero(l, wrong, "rows that contradict each other")
}

// follow reads what changed since the last time. No revision is given out twice.
func (l *lockstep) follow(org string) {
	l.Helper()
	s, last := anyOf(l.random, l.stores...), l.cursors[org]
	recipients, err := s.Recipients(l.Context(), store.RecipientQuery{Org: org, ByRev: true, AfterRev: last})
	require.NoError(l, err)
	batches, err := s.Batches(l.Context(), store.BatchQuery{Org: org, ByRev: true, AfterRev: last})
	require.NoError(l, err)
	seen := map[int64]bool{}
	see := func(rev int64) {
		require.False(l, seen[rev], "revision %d", rev)
		seen[rev] = true
		l.cursors[org] = max(l.cursors[org], rev)
	}
	for _, r := range recipients {
		see(r.Rev)
		l.recipients[r.ID()] = r
	}
	for _, b := range batches {
		see(b.Rev)
		l.heads[b.ID] = b
	}
}

func (l *lockstep) sameBatches(org string) []store.Batch {
	l.Helper()
	q := store.BatchQuery{Org: org}
	want, err := l.model.Batches(l.Context(), q)
	require.NoError(l, err)
	got, err := anyOf(l.random, l.stores...).Batches(l.Context(), q)
	require.NoError(l, err)
	require.Len(l, got, len(want))
	for i, b := range got {
		l.sameBatch(want[i], b)
		told := l.heads[b.ID]
		told.RetryKey = b.RetryKey // which is no change of its own
		require.Equal(l, b, told, "what the feed has told")
	}
	return got
}

func (l *lockstep) sameCalls(org string) {
	l.Helper()
	q := store.CallQuery{Org: org}
	want, err := l.model.Calls(l.Context(), q)
	require.NoError(l, err)
	got, err := anyOf(l.random, l.stores...).Calls(l.Context(), q)
	require.NoError(l, err)
	require.Len(l, got, len(want))
	for i := range want {
		require.Equal(l, plainCall(want[i]), plainCall(got[i]))
	}
}

func (l *lockstep) sameRecipients(b store.Batch) {
	l.Helper()
	q := store.RecipientQuery{Org: b.Org, BatchID: b.ID}
	want, err := l.model.Recipients(l.Context(), q)
	require.NoError(l, err)
	got, err := anyOf(l.random, l.stores...).Recipients(l.Context(), q)
	require.NoError(l, err)
	require.Len(l, got, len(want))
	counts := fsm.Counts{Unplaced: b.Counts.Unplaced}
	for i, g := range got {
		require.Equal(l, g, l.recipients[g.ID()], "what the feed has told")
		counts.Add(g.Status, 1)
		require.Equal(l, l.plainRecipient(want[i]), l.plainRecipient(g))
	}
	require.Equal(l, counts, b.Counts)
}

func (l *lockstep) plainRecipient(r store.Recipient) store.Recipient {
	r.Rev, r.CreatedAt, r.UpdatedAt = 0, r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	if l.faults {
		r.UpdatedAt = time.Time{}
	}
	return r
}

// Those queued again are exactly the rows of again, those from fresh on were never claimed, and sums are what they sum up.
const contradictions = `WITH waiting AS (
		SELECT org, batch, attempts, idx FROM outdial.recipients r WHERE rest = 0
			AND NOT EXISTS (SELECT FROM outdial.flights f WHERE f.org = r.org AND f.batch = r.batch AND f.idx = r.idx))
	SELECT (SELECT count(*) FROM (SELECT * FROM waiting WHERE attempts > 0 EXCEPT SELECT org, batch, attempts, idx FROM outdial.again) x)
		+ (SELECT count(*) FROM (SELECT org, batch, attempts, idx FROM outdial.again EXCEPT SELECT * FROM waiting WHERE attempts > 0) x)
		+ (SELECT count(*) FROM waiting w JOIN outdial.tallies t USING (org, batch) WHERE w.attempts = 0 AND w.idx < t.fresh)
		+ (SELECT count(*) FROM outdial.organisations o
			WHERE o.queued <> (SELECT sum(queued) FROM outdial.tallies t WHERE t.org = o.org)
				OR o.in_flight <> (SELECT count(*) FROM outdial.flights f WHERE f.org = o.org))`
