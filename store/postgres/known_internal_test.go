package postgres

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKnowledgeIsBounded(t *testing.T) {
	t.Parallel()
	k := newKnowledge()
	of := func(owner string, calls int) *known {
		n := newKnown(owner)
		for i := range calls {
			n.calls[strconv.Itoa(i)] = &call{}
		}
		return n
	}
	k.put(1, of("node_1", knowledgeSize-1))
	k.put(2, of("node_1", 2))
	require.Empty(t, k.take(2, "node_1").calls, "there is no room")
	k.put(2, of("node_1", 1))
	k.put(3, of("node_1", 0))
	require.Len(t, k.orgs, 2, "who has no calls in flight is forgotten")
	require.Empty(t, k.take(2, "node_2").calls, "they are another node's")
	require.Len(t, k.take(1, "node_1").calls, knowledgeSize-1)
	require.Empty(t, k.take(1, "node_1").calls, "what was taken and not brought back")
	require.Zero(t, k.size)
	require.Empty(t, k.orgs)
}

// What a session knew that has lost its lease is in nobody's way.
func TestKnowledgeOfOthersMakesRoom(t *testing.T) {
	t.Parallel()
	k := newKnowledge()
	for i := range int64(4) {
		n := newKnown("node_" + strconv.FormatInt(i%2, 10))
		for c := range knowledgeSize / 4 {
			n.calls[strconv.Itoa(c)] = &call{}
		}
		k.put(i, n)
	}
	n := newKnown("node_1")
	n.rev, n.calls["call"] = 7, &call{}
	k.put(9, n)
	require.Equal(t, int64(7), k.take(9, "node_1").rev)
	require.Len(t, k.orgs, 2, "the node's own stay")
	require.Equal(t, knowledgeSize/2, k.size)
}
