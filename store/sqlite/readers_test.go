package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// hog begins reads of an organisation that end when they are told to, and returns when as many
// are under way as there may be.
func hog(t *testing.T, s *Store, org string, reads int) (leave func()) {
	t.Helper()
	inside, end, done := make(chan struct{}, reads), make(chan struct{}), make(chan error, reads)
	for range reads {
		go func() {
			done <- s.view(context.Background(), org, func(tx querier) error {
				inside <- struct{}{}
				<-end
				var n int
				return tx.QueryRowContext(context.Background(), "SELECT count(*) FROM batches").Scan(&n)
			})
		}()
	}
	for range min(reads, orgReaders) {
		<-inside
	}
	return func() {
		close(end)
		for range reads {
			require.NoError(t, <-done)
		}
	}
}

// However many reads of one organisation are slow, another one has readers to itself.
func TestOrganisationCannotTakeAllReaders(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	want, err := s.CreateBatch(t.Context(), store.Batch{Org: "small", ID: "acb_1"}, nil)
	require.NoError(t, err)
	leave := hog(t, s, "large", 16)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := s.Batch(ctx, "small", want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	list, err := s.Batches(ctx, store.BatchQuery{Org: "small", CreatedTo: time.Unix(1, 0)})
	require.NoError(t, err)
	require.Equal(t, []store.Batch{want}, list)
	_, err = s.Recipients(ctx, store.RecipientQuery{Org: "small", BatchID: want.ID})
	require.NoError(t, err)
	_, err = s.Calls(ctx, store.CallQuery{Org: "small"})
	require.NoError(t, err)
	_, err = s.Call(ctx, "small", "call_1")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Active(ctx)
	require.NoError(t, err)
	leave()
	require.Empty(t, s.readers.shares, "nobody reads any more")
}

func TestWhoWaitsForAReaderCanGiveUp(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	leave := hog(t, s, "large", orgReaders)
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan error)
	go func() {
		_, err := s.Batch(ctx, "large", "acb_1")
		answers <- err
	}()
	require.Eventually(t, func() bool { return s.readers.waiting("large") == 1 }, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-answers, context.Canceled)
	leave()
	_, err := s.Batch(t.Context(), "large", "acb_1")
	require.ErrorIs(t, err, store.ErrNotFound)
}

// Close answers those that have no reader yet at once.
func TestCloseAnswersWhoWaitsForAReader(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	leave := hog(t, s, "large", orgReaders)
	answers := make(chan error)
	go func() {
		_, err := s.Batch(context.Background(), "large", "acb_1")
		answers <- err
	}()
	require.Eventually(t, func() bool { return s.readers.waiting("large") == 1 }, time.Minute, time.Millisecond)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	require.ErrorIs(t, <-answers, store.ErrClosed)
	leave()
	require.NoError(t, <-closed)
}

// waiting is how many wait for a reader.
func (p *readerPool) waiting(org string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[org]
	if s == nil {
		return 0
	}
	return s.users - len(s.taken)
}
