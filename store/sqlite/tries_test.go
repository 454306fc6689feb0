package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestTriesKeepEveryByte(t *testing.T) {
	t.Parallel()
	text := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	at := rapid.Map(rapid.Int64Range(-1<<55, 1<<57), func(us int64) time.Time {
		if us%3 == 0 {
			return time.Time{}
		}
		return time.UnixMicro(us).UTC()
	})
	one := rapid.Custom(func(t *rapid.T) store.Try {
		return store.Try{Carrier: text.Draw(t, "carrier"), At: at.Draw(t, "at"), Error: text.Draw(t, "error")}
	})
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.SliceOfN(one, 1, 9).Draw(t, "tries")
		got, err := unpackTries(packTries(tries))
		require.NoError(t, err)
		require.Equal(t, tries, got)
	})
	require.Nil(t, packTries(nil))
	none, err := unpackTries(packTries([]store.Try{}))
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestDamagedTriesAreErrors(t *testing.T) {
	t.Parallel()
	whole := packTries([]store.Try{{Carrier: "trunk", At: time.Unix(1, 0), Error: "503"}})
	for n := 1; n < len(whole); n++ {
		_, err := unpackTries(whole[:n])
		require.ErrorIs(t, err, errList)
	}
	_, err := unpackTries(packList([]string{"trunk", "yesterday", "503"}))
	require.ErrorIs(t, err, errList)
}

// A step is repeated after an error although it was written; the batch must not be told to have
// changed then, however many events of it moved the call.
func TestMoveThatIsThereAlreadyIsNoChange(t *testing.T) {
	t.Parallel()
	s, ctx := openSchema(t, 3), t.Context()
	now := time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC)
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "node_2", StartedAt: now}, time.Hour))
	_, err := s.Adopt(ctx, "node_2", 9)
	require.NoError(t, err)
	write := func(replay bool, fields store.Event) bool {
		fields.BatchID, fields.Index, fields.CallID, fields.Status = thirdBatch, 3, thirdRings, fsm.Dispatched
		got, err := s.Advance(ctx, store.Step{
			Org: oldOrg, Owner: "node_2", Now: now, Limit: 9, Events: []store.Event{fields}, Replay: replay,
		})
		require.NoError(t, err)
		require.Empty(t, got.Lost)
		return got.Rev != got.PrevRev
	}
	for name, fields := range map[string]store.Event{
		"move that clears": {Carrier: "trunk-us"},
		"move with tries":  {Carrier: "trunk-eu", Tries: []store.Try{{Carrier: "trunk-us"}}},
		"ref of its own":   {Carrier: "trunk-us", Ref: "CA9"},
		"rang":             {Carrier: "trunk-us", Ref: "CA9", RangAt: now},
		"tries alone":      {Tries: []store.Try{{Carrier: "trunk-eu"}, {Carrier: "trunk-us"}}},
	} {
		require.True(t, write(false, store.Event{Carrier: "trunk-x", Ref: "x", Tries: []store.Try{{Carrier: name}}}), name)
		require.True(t, write(false, fields), name)
		require.False(t, write(true, fields), name)
	}
	// Each of what a move writes is a change by itself.
	require.True(t, write(false, store.Event{Carrier: "trunk-a", Ref: "CA1", RangAt: now}))
	require.True(t, write(false, store.Event{Carrier: "trunk-a", Ref: "CA1"}))
	require.True(t, write(false, store.Event{Carrier: "trunk-a"}))
	require.False(t, write(false, store.Event{Carrier: "trunk-a"}))
	require.True(t, write(false, store.Event{Carrier: "trunk-b"}))
}
