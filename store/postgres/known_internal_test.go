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
