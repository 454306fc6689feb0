package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

// After a sync that has failed the system may have what was written in memory for good, and never write it to the
// disk. Who opens the file then reads a commit that nobody acknowledged, and must not put others behind it
// which the next power cut takes along.
func TestCommitAfterAFailedSyncSurvivesAPowerCut(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	visible, lost := 0, 0
	for seed := range uint64(30) {
		disk, src := faultdisk.New(seed), newSource()
		s := openOn(t, disk)
		first, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(3, true))
		require.NoError(t, err)

		disk.Fail(func(op faultdisk.Op) error {
			if op == faultdisk.Sync {
				return faultdisk.ErrIO
			}
			return nil
		})
		doubtful := src.batch("org_1")
		_, err = s.CreateBatch(t.Context(), doubtful, people(3, true))
		require.NoError(t, says(err))
		require.Error(t, err)

		disk = disk.Restart() // the process ends, the power stays
		s = openOn(t, disk)
		if _, err = s.Batch(t.Context(), "org_1", doubtful.ID); err == nil {
			visible++
		}
		next, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(3, true))
		require.NoError(t, err)

		disk = disk.Cut()
		s = openOn(t, disk)
		got, err := s.Batch(t.Context(), "org_1", first.ID)
		require.NoError(t, err)
		require.Equal(t, first, got)
		if _, err = s.Batch(t.Context(), "org_1", next.ID); err != nil {
			require.ErrorIs(t, err, store.ErrNotFound)
			lost++
		}
	}
	require.Positive(t, visible, "no commit in doubt was there: nothing was tested")
	require.Zero(t, lost, "of 30 commits that were acknowledged")
}
