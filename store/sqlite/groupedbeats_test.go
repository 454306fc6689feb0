package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// grouped has heartbeats, in their order, in one group: they come while the writer is busy with another write.
func grouped(t *testing.T, s *Store, beats ...func() error) []error {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	blocker := make(chan error, 1)
	var lead chan *job
	go func() {
		_, err := write(context.Background(), s.writer, func(context.Context, *connection) (none struct{}, err error) {
			lead = make(chan *job, len(beats)) // to see who waits
			s.writer.lead = lead
			close(held)
			<-release
			return none, nil
		})
		blocker <- err
	}()
	<-held
	answers := make([]chan error, len(beats))
	for i, beat := range beats {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- beat() }()
		require.Eventually(t, func() bool { return len(lead) == i+1 }, time.Minute, time.Millisecond)
	}
	close(release)
	require.NoError(t, <-blocker)
	out := make([]error, len(beats))
	for i := range answers {
		out[i] = <-answers[i]
	}
	return out
}

func (s *Store) beatOf(id string, beat int64, lease time.Duration) func() error {
	return func() error {
		return s.Heartbeat(context.Background(), store.Node{ID: id, Beat: beat}, lease)
	}
}

func advanceAs(s *Store, node string) error {
	_, err := s.Advance(context.Background(), store.Step{Org: "o", Owner: node, Now: time.Now(), Limit: 1})
	return err
}

// The store admits one dialling node at a time, also where two of one process ask at the same moment.
func TestTwoNodesInOneGroupDoNotBothGetALease(t *testing.T) {
	t.Parallel()
	for range 30 { // a group takes in jobs for 10 ms, which can be too short for two
		s := openTest(t)
		errs := grouped(t, s, s.beatOf("a", 1, time.Hour), s.beatOf("b", 1, time.Hour))
		granted := 0
		for i, node := range []string{"a", "b"} {
			if errs[i] == nil {
				granted++
				require.NoError(t, advanceAs(s, node), "node %s was given a lease of an hour a moment ago", node)
			} else {
				require.ErrorIs(t, errs[i], store.ErrOwned)
			}
		}
		require.Equal(t, 1, granted)
	}
}

// Without any seam: two nodes start at once, next to somebody who writes.
func TestTwoNodesThatStartAtOnceDoNotBothGetALease(t *testing.T) {
	t.Parallel()
	for range 300 {
		s, err := Open(t.Context(), Config{Path: EmptyFile(t)})
		require.NoError(t, err)
		answers := make(chan error, 2)
		for _, id := range []string{"a", "b"} {
			go func() { answers <- s.beatOf(id, 1, time.Hour)() }()
		}
		granted := 0
		for range 2 {
			if err := <-answers; err == nil {
				granted++
			} else {
				require.ErrorIs(t, err, store.ErrOwned)
			}
		}
		require.NoError(t, s.Close())
		require.Equal(t, 1, granted)
	}
}

// A heartbeat that is late changes nothing, neither what is known of the node nor its lease.
func TestLateHeartbeatInTheGroupOfTheLaterOneDoesNotShortenTheLease(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	now := time.Now()
	s.owner.now = func() time.Time { return now } // moved between groups only
	require.NoError(t, s.beatOf("a", 1, 10*time.Second)())
	now = now.Add(9 * time.Second)
	for _, err := range grouped(t, s, s.beatOf("a", 3, 10*time.Second), s.beatOf("a", 2, 10*time.Second)) {
		require.NoError(t, err)
	}
	now = now.Add(2 * time.Second) // 2 s into the lease of 10 s that beat 3 was given
	require.NoError(t, advanceAs(s, "a"))
}

// The same with a node's first heartbeats: the lock is let go again while the lease runs, and the next process may have it.
func TestLateHeartbeatInTheGroupOfTheFirstOneKeepsTheLock(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	for _, err := range grouped(t, s, s.beatOf("a", 2, time.Hour), s.beatOf("a", 1, time.Hour)) {
		require.NoError(t, err)
	}
	other, err := Open(t.Context(), Config{Path: s.writer.path})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	require.ErrorIs(t, other.beatOf("b", 1, time.Hour)(), store.ErrOwned)
	require.NoError(t, advanceAs(s, "a"))
}

// A late heartbeat does not bring back a lease that was given up.
func TestLateHeartbeatInTheGroupOfTheOneThatGaveUpDoesNotReviveTheLease(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	require.NoError(t, s.beatOf("a", 1, time.Hour)())
	errs := grouped(t, s, s.beatOf("a", 3, 0), s.beatOf("a", 2, time.Hour))
	require.NoError(t, errs[0])
	if err := advanceAs(s, "a"); !errors.Is(err, store.ErrNotOwner) {
		require.Fail(t, "the lease was given up", "advance: %v, late beat: %v", err, errs[1])
	}
	require.NoError(t, s.beatOf("b", 1, time.Hour)(), "another node may have it")
}
