package postgres

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// knows is what a node knows of an organisation, with some calls and recipients who were read ahead.
func knows(owner string, calls, ahead int) *known {
	n := newKnown(owner)
	n.org.rev = 7
	for i := range calls {
		n.calls[strconv.Itoa(i)] = &call{}
	}
	if ahead > 0 {
		n.queues[1] = &queue{list: make([]candidate, ahead)}
	}
	return n
}

func TestWhatWasNotUsedForLongestIsForgotten(t *testing.T) {
	t.Parallel()
	k := newKnowledge()
	const quarter = knowledgeSize / 4
	for org := range int64(4) {
		k.put(org, knows("node_1", quarter-1, 0)) // each counts as one itself
	}
	k.put(0, k.take(0, "node_1"))
	k.put(4, knows("node_1", 1, 0))
	require.Len(t, k.orgs, 4)
	require.Empty(t, k.take(1, "node_1").calls)
	require.Len(t, k.take(0, "node_1").calls, quarter-1, "it was used since")
	require.Empty(t, k.take(0, "node_1").calls, "it was taken and not brought back")
	k.put(5, knows("node_1", knowledgeSize, 0))
	require.Empty(t, k.take(5, "node_1").calls, "it leaves no room for others")
	for org := range int64(6) {
		k.take(org, "node_1")
	}
	require.Empty(t, k.orgs)
	require.Zero(t, k.kept.size+k.kept.list.Len()+k.ahead.size+k.ahead.list.Len())
}

// Who is next is forgotten before calls in flight are, and no one is read ahead who would soon be forgotten.
func TestWhoWasReadAheadMakesRoom(t *testing.T) {
	t.Parallel()
	k := newKnowledge()
	const half = knowledgeSize / 2
	require.True(t, k.take(1, "node_1").room)
	for org := range int64(3) {
		k.put(org, knows("node_1", 1, half))
	}
	require.Equal(t, knowledgeSize, k.ahead.size)
	first := k.take(0, "node_1")
	require.Empty(t, first.queues)
	require.Len(t, first.calls, 1)
	require.False(t, first.room, "the others have been used since")
	require.False(t, k.take(9, "node_1").room, "nobody knows whether there will be another step")
	k.put(0, first)
	k.put(1, k.take(1, "node_1"))
	k.put(2, k.take(2, "node_1"))
	require.False(t, k.take(0, "node_1").room)
	k.put(0, first)
	require.True(t, k.take(0, "node_1").room, "it is used more often than they are")
}

// Each node's is its own, and what the process itself changes is looked at by all.
func TestNodesOfOneStoreKnowEachTheirs(t *testing.T) {
	t.Parallel()
	k := newKnowledge()
	for calls, owner := range []string{"node_0", "node_1", "node_2"} {
		n := knows(owner, calls, 0)
		n.whole, n.batches["batch"] = true, &batch{}
		k.put(1, n)
	}
	require.Len(t, k.take(1, "node_1").calls, 1)
	k.doubt(1)
	for calls, owner := range map[int]string{0: "node_0", 2: "node_2"} {
		n := k.take(1, owner)
		require.Len(t, n.calls, calls)
		require.False(t, n.whole)
		require.Empty(t, n.batches)
	}
	require.Empty(t, k.orgs)
}

// What is known after an error is how far to rely on it.
func TestTrustStaysWhenAllElseIsForgotten(t *testing.T) {
	t.Parallel()
	n := knows("node_1", 3, 3)
	n.trust = n.trust.missed()
	left := n.forgotten()
	require.Equal(t, trust{wait: 1, next: 1}, left.trust)
	require.Equal(t, int64(-1), left.org.rev)
	require.Empty(t, left.calls)
	require.Empty(t, left.queues)
}
