package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody sees what pgx keeps in a connection of the pool, so its config is looked at.
func TestHintsOfOthersAreNotKeptByThePool(t *testing.T) {
	t.Parallel()
	config, err := Config{URL: "postgres://127.0.0.1/x"}.withDefaults().poolConfig()
	require.NoError(t, err)
	require.NotNil(t, config.ConnConfig.OnNotification)
}
