package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// hog begins reads of an organisation that end when they are told to, and returns when as many
// are under way as there may be.
func hog(t *testing.T, s *Store, org string, reads int) (leave func()) {
	t.Helper()
	inside, end, done := make(chan struct{}, reads), make(chan struct{}), make(chan error, reads)
	for range reads {
		go func() {
			done <- s.view(context.Background(), org, func(tx *connection) error {
				inside <- struct{}{}
				<-end
				var n int
				_, err := tx.find(context.Background(), "SELECT count(*) FROM batches", nil, []any{&n})
				return err
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

// A connection keeps the statements that it has prepared, but not of all that lists are ever filtered by.
func TestReadersKeepSomeStatements(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	for i := range 3 * maxStatements {
		reasons := make([]dialer.EndReason, i)
		for j := range reasons {
			reasons[j] = dialer.ClientHangup
		}
		_, err := s.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", ByRev: true, EndReasons: reasons})
		require.NoError(t, err)
		_, err = s.Batches(t.Context(), store.BatchQuery{Org: "org_1", ByRev: true, Statuses: make([]fsm.BatchStatus, i)})
		require.NoError(t, err)
	}
	lent := make([]*connection, maxReaders)
	kept := 0
	for i := range lent {
		var err error
		lent[i], err = s.readers.lend(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(lent[i].prepared), maxStatements)
		kept += len(lent[i].prepared)
	}
	require.GreaterOrEqual(t, kept, maxStatements)
	for _, c := range lent {
		require.NoError(t, s.readers.giveBack(c, nil))
	}
}

// After an error a connection is not used again, and the next reader has another one. What is read goes on to be
// the whole of it.
func TestReadersAreReplacedAfterAnError(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	made, err := s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_1"}, make([]store.NewRecipient, 500))
	require.NoError(t, err)
	for range 3 * maxReaders {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.view(ctx, "org_1", func(tx *connection) error {
			rows, err := tx.query(ctx, "SELECT id FROM recipients")
			_, err = collect(rows, err, func(scan func(...any) error) (id int64, err error) {
				cancel()
				err = scan(&id)
				return id, err
			})
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
		all, err := s.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", BatchID: made.ID})
		require.NoError(t, err)
		require.Len(t, all, 500)
	}
	require.Panics(t, func() {
		_ = s.view(t.Context(), "org_1", func(*connection) error { panic("a read") })
	})
	for range maxReaders {
		_, err = s.Batch(t.Context(), "org_1", made.ID)
		require.NoError(t, err)
	}
}

// A read that is under way when the file is closed ends, and its connection with it.
func TestReadersCloseWhatIsGivenBackLate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	c, err := s.readers.lend(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	var n int
	_, err = c.find(t.Context(), "SELECT count(*) FROM batches", nil, []any{&n})
	require.NoError(t, err)
	require.FileExists(t, path+logSuffix)
	require.NoError(t, s.readers.giveBack(c, nil))
	require.Empty(t, s.readers.free)
	require.NoFileExists(t, path+logSuffix, "the last connection takes it along")
	_, err = s.Active(t.Context())
	require.ErrorIs(t, err, store.ErrClosed)
}
