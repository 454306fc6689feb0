package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who is queued again takes the place among those who are known that is certainly his.
func TestWhoIsQueuedAgainTakesAKnownPlace(t *testing.T) {
	t.Parallel()
	of := func(more bool, again ...fate) []candidate {
		turn := &turn{queues: map[int32]*queue{1: {list: []candidate{{idx: 7}, {idx: 2, attempts: 2}}, more: more}}}
		for i := range again {
			again[i].batch = 1
			turn.requeued(&again[i])
		}
		turn.requeued(&fate{place: place{batch: 2}}) // of which nothing was read
		require.Len(t, turn.queues, 1)
		return turn.queues[1].list
	}
	between, behind := fate{place: place{idx: 9}, attempts: 1}, fate{place: place{idx: 3}, attempts: 2}
	first, last := candidate{idx: 7}, candidate{idx: 2, attempts: 2}
	middle := candidate{idx: 9, attempts: 1, untold: true}
	require.Equal(t, []candidate{first, middle, last}, of(true, between, behind), "others may be before the one behind")
	require.Equal(t, []candidate{first, middle, last, {idx: 3, attempts: 2, untold: true}}, of(false, between, behind))
}

// What was claimed is not held in memory by those behind.
func TestWhoIsClaimedIsLetGo(t *testing.T) {
	t.Parallel()
	q := &queue{list: make([]candidate, mostAhead)}
	for i := range q.list {
		q.list[i].told.metadata = []byte{1}
	}
	all := q.list
	q.claim(mostAhead - 9)
	for _, c := range all[9:] {
		require.Nil(t, c.told.metadata)
	}
	n := newKnown("node_1")
	n.queues[1] = q
	require.Equal(t, mostAhead, n.queued())
	n.queues[1] = q.remembered()
	require.Len(t, q.list, 9)
	require.Less(t, n.queued(), leastAhead)
}

func TestTrustInWhatIsKnown(t *testing.T) {
	t.Parallel()
	var of trust
	var waits []int
	for range 8 {
		of = of.missed()
		waits = append(waits, of.wait)
	}
	require.Equal(t, []int{1, 3, 7, 15, 31, 63, 63, 63}, waits)
	for range mostWait + 1 {
		of.confirm()
	}
	require.Zero(t, of.wait)
	for range 6 {
		of.kept()
	}
	require.Equal(t, trust{}, of)
}
