package faultdisk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func open(t *testing.T, d *faultdisk.Disk, name string) *faultdisk.File {
	t.Helper()
	f, err := d.Open(name, true)
	require.NoError(t, err)
	return f
}

// content is what a file has, nil if there is none.
func content(t *testing.T, d *faultdisk.Disk, name string) []byte {
	t.Helper()
	f, err := d.Open(name, false)
	if err != nil {
		require.ErrorIs(t, err, faultdisk.ErrNoFile)
		return nil
	}
	b := make([]byte, f.Size())
	n, err := f.ReadAt(b, 0)
	require.NoError(t, err)
	require.Len(t, b, n)
	return b
}

func TestWhatWasSyncedIsThereAndTheRestInEveryWay(t *testing.T) {
	t.Parallel()
	const size, sector = 16384, 512
	old, changed, mixed, torn := 0, 0, 0, 0
	for seed := range uint64(400) {
		d := faultdisk.New(seed)
		f := open(t, d, "a")
		require.NoError(t, f.WriteAt(fill(1, size), 0))
		require.NoError(t, f.Sync(true))
		require.NoError(t, f.WriteAt(fill(2, size/2), size/2))
		got := content(t, d.Cut(), "a")
		require.Len(t, got, size)
		require.Equal(t, fill(1, size/2), got[:size/2], "nobody wrote there")
		switch rest := got[size/2:]; {
		case bytes.Equal(rest, fill(1, size/2)):
			old++
		case bytes.Equal(rest, fill(2, size/2)):
			changed++
		default:
			mixed++
			for at := 0; at < len(rest); at += sector {
				if part := rest[at : at+sector]; bytes.Count(part, part[:1]) != sector {
					torn++
				}
			}
		}
	}
	for _, n := range []int{old, changed, mixed, torn} {
		require.Positive(t, n)
	}
}

func TestNamesAreLostUntilTheirDirectoryIsSynced(t *testing.T) {
	t.Parallel()
	made, removed := 0, 0
	for seed := range uint64(40) {
		d := faultdisk.New(seed)
		require.NoError(t, open(t, d, "old").Sync(true))
		require.NoError(t, open(t, d, "new").Sync(false))
		require.NoError(t, d.Remove("old", false))
		after := d.Cut()
		if content(t, after, "new") != nil {
			made++
		}
		if content(t, after, "old") == nil {
			removed++
		}

		require.NoError(t, open(t, after, "other").Sync(true))
		left := content(t, after, "new")
		again := after.Cut()
		require.NotNil(t, content(t, again, "other"))
		require.Equal(t, left, content(t, again, "new"))
	}
	for _, n := range []int{made, removed} {
		require.Greater(t, n, 5)
		require.Less(t, n, 35)
	}
}

func TestWhatWasTruncatedDoesNotComeBackWithALaterSize(t *testing.T) {
	t.Parallel()
	sizes := map[int]bool{}
	for seed := range uint64(200) {
		d := faultdisk.New(seed)
		f := open(t, d, "a")
		require.NoError(t, f.WriteAt(fill(1, 8192), 0))
		require.NoError(t, f.Sync(true))
		require.NoError(t, f.Truncate(0))
		require.NoError(t, f.WriteAt(fill(2, 4096), 0))
		got := content(t, d.Cut(), "a")
		sizes[len(got)] = true
		if len(got) < 8192 {
			require.False(t, bytes.Contains(got, fill(1, 16)), "junk may have one of them, not a row")
			continue
		}
		require.Equal(t, fill(1, 8192), got)
	}
	require.Equal(t, map[int]bool{0: true, 4096: true, 8192: true}, sizes)
}

func TestAFailedSyncIsNeverMadeUpFor(t *testing.T) {
	t.Parallel()
	lost := 0
	for seed := range uint64(40) {
		d := faultdisk.New(seed)
		f := open(t, d, "a")
		require.NoError(t, f.Sync(true))
		require.NoError(t, f.WriteAt(fill(1, 4096), 0))
		d.Fail(func(faultdisk.Op) error { return faultdisk.ErrIO })
		require.ErrorIs(t, f.Sync(false), faultdisk.ErrIO)
		d.Fail(nil)
		require.NoError(t, f.Sync(false), "it says that it has nothing to write")
		after := d.Restart()
		require.Equal(t, fill(1, 4096), content(t, after, "a"), "who reads does not see it")
		if !bytes.Equal(content(t, after.Cut(), "a"), fill(1, 4096)) {
			lost++
		}
	}
	require.Greater(t, lost, 5)
}

func TestThePowerGoesAtTheNthChange(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	f := open(t, d, "a")
	d.CutAfter(2)
	require.NoError(t, f.WriteAt(fill(1, 10), 0))
	off, _ := d.Off()
	require.False(t, off)
	require.ErrorIs(t, f.Sync(true), faultdisk.ErrOff)
	off, at := d.Off()
	require.True(t, off)
	require.Equal(t, faultdisk.Sync, at)
	_, err := f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, faultdisk.ErrOff)
	require.ErrorIs(t, f.WriteAt(fill(2, 10), 0), faultdisk.ErrOff)
	require.ErrorIs(t, d.Remove("a", true), faultdisk.ErrOff)
}
