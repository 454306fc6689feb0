package store_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/store"
)

// The highest and the lowest randomness, between which all other lies.
func zeros() *bytes.Reader { return bytes.NewReader(make([]byte, 64)) }
func ones() *bytes.Reader  { return bytes.NewReader(bytes.Repeat([]byte{0xff}, 64)) }

func TestIDsSortByTimeAsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(0, 1<<57).Draw(t, "us")
		early, err := store.NewBatchID(time.UnixMicro(us), ones())
		require.NoError(t, err)
		late, err := store.NewBatchID(time.UnixMicro(us+1), zeros())
		require.NoError(t, err)
		require.Less(t, early, late)
		calls, err := store.NewCallIDs(time.UnixMicro(us), ones(), 3)
		require.NoError(t, err)
		next, err := store.NewCallIDs(time.UnixMicro(us+1), zeros(), 1)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(append(calls, next...)))
	})
}

// math/big is slow, and right.
func TestIDIsItsNumberInBase62(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
		us := rapid.Int64Range(0, 999).Draw(t, "us")
		random := rapid.SliceOfN(rapid.Byte(), 9, 9).Draw(t, "random")
		ids, err := store.NewCallIDs(time.UnixMilli(ms).Add(time.Duration(us)*time.Microsecond), bytes.NewReader(random), 2)
		require.NoError(t, err)
		first, second := value(t, ids[0]), value(t, ids[1])
		require.Equal(t, big.NewInt(1), second.Sub(second, first))
		require.Equal(t, ms<<10|us, first.Rsh(first, 72).Int64())
	})
}

func value(t require.TestingT, id string) *big.Int {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := new(big.Int)
	for _, c := range []byte(strings.TrimPrefix(id, store.CallPrefix)) {
		at := strings.IndexByte(alphabet, c)
		require.GreaterOrEqual(t, at, 0)
		n.Mul(n, big.NewInt(62)).Add(n, big.NewInt(int64(at)))
	}
	return n
}

func TestIDsHaveTheirPrefixAndLength(t *testing.T) {
	t.Parallel()
	batch, err := store.NewBatchID(time.Now(), rand.Reader)
	require.NoError(t, err)
	require.Regexp(t, `^acb_[0-9A-Za-z]{22}$`, batch)
	require.Regexp(t, `^acr_[0-9A-Za-z]{22}$`, store.RecipientID(batch, 0))
	calls, err := store.NewCallIDs(time.Now(), rand.Reader, 1)
	require.NoError(t, err)
	require.Regexp(t, `^call_[0-9A-Za-z]{22}$`, calls[0])
}

func TestEveryRecipientIDContainsBatchAndIndex(t *testing.T) {
	t.Parallel()
	for _, random := range []*bytes.Reader{zeros(), ones()} {
		batch, err := store.NewBatchID(time.Now(), random)
		require.NoError(t, err)
		last := ""
		for index := range store.MaxRecipients {
			id := store.RecipientID(batch, index)
			require.Less(t, last, id, "ids sort by index")
			last = id
			gotBatch, gotIndex, err := store.ParseRecipientID(id)
			require.NoError(t, err)
			require.Equal(t, batch, gotBatch)
			require.Equal(t, index, gotIndex)
		}
	}
}

func TestRecipientIDOfNoBatchIsRefused(t *testing.T) {
	t.Parallel()
	batch, err := store.NewBatchID(time.Now(), rand.Reader)
	require.NoError(t, err)
	ids := []string{
		store.RecipientID(batch, -1), store.RecipientID(batch, store.MaxRecipients), store.RecipientID("", 0),
		store.RecipientID("batch-of-a-host", 0), store.RecipientID(batch+"0", 0),
		store.RecipientID(batch[:len(batch)-1]+"!", 0),
		store.RecipientID(strings.Replace(store.RecipientID(batch, 7), "acr_", "acb_", 1), 0),
		store.RecipientID("acb_zzzzzzzzzzzzzzzzzzzzzz", 0),
		strings.Replace(batch, "acb_", "acr_", 1), "acr_", "", batch,
	}
	for _, id := range ids {
		_, _, err := store.ParseRecipientID(id)
		require.ErrorIs(t, err, store.ErrNotFound, id)
	}
}

func TestCallIDsAscend(t *testing.T) {
	t.Parallel()
	ids, err := store.NewCallIDs(time.Now(), ones(), 5000)
	require.NoError(t, err)
	require.Len(t, ids, 5000)
	require.True(t, slices.IsSorted(ids))
	require.Len(t, slices.Compact(slices.Clone(ids)), 5000)
	none, err := store.NewCallIDs(time.Now(), ones(), 0)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestNoIDWithoutRandomness(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := store.NewBatchID(time.Now(), iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	_, err = store.NewCallIDs(time.Now(), bytes.NewReader(make([]byte, 8)), 1)
	require.Error(t, err)
}

func FuzzParseRecipientID(f *testing.F) {
	batch, err := store.NewBatchID(time.Now(), rand.Reader)
	require.NoError(f, err)
	for _, seed := range []string{
		store.RecipientID(batch, 0), store.RecipientID(batch, 4999), batch, "acr_", "acr_0000000000000000000001",
		"acr_zzzzzzzzzzzzzzzzzzzzzz", "acr_000000000000000000000é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		batch, index, err := store.ParseRecipientID(id)
		if err != nil {
			require.ErrorIs(t, err, store.ErrNotFound)
			return
		}
		require.Equal(t, id, store.RecipientID(batch, index))
	})
}
