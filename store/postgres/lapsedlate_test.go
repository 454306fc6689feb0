package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/postgres"
)

// Where a method may take long, so may a step that began while its node's lease ran. What that leaves behind is found.
func TestCallsOfAStepThatTookLongAreFound(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: time.Minute})
	heir := leftBehind(t, s, 1, time.Hour)
	lapsed := func() (ids []string) {
		list, err := s.Nodes(t.Context())
		require.NoError(t, err)
		for _, n := range list {
			if n.Lapsed {
				ids = append(ids, n.ID)
			}
		}
		return ids
	}
	_, err := s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Empty(t, lapsed())
	run(t, url, "UPDATE outdial.nodes SET expires_at = clock_timestamp() - interval '5 minutes' WHERE id = 'dead'")
	require.Empty(t, lapsed(), "its step is not committed yet")
	run(t, url, "UPDATE outdial.flights SET owner = (SELECT key FROM outdial.nodes WHERE id = 'dead')")
	require.Equal(t, []string{"dead"}, lapsed())
}
