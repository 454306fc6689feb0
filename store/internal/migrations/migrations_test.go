package migrations_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store/internal/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStepsAreInTheirOrder(t *testing.T) {
	t.Parallel()
	got, err := migrations.Load(fstest.MapFS{
		"migrations/0002_b.sql": {Data: []byte("B")}, "migrations/0001_a.sql": {Data: []byte("A")}, "migrations/notes.md": {},
	})
	require.NoError(t, err)
	require.Equal(t, []migrations.Step{{Name: "0001_a.sql", SQL: "A"}, {Name: "0002_b.sql", SQL: "B"}}, got)
	for _, odd := range []string{"0003_c.sql", "first.sql", "0001_again.sql"} {
		_, err := migrations.Load(fstest.MapFS{"migrations/0001_a.sql": {}, "migrations/" + odd: {}})
		require.ErrorIs(t, err, migrations.ErrNumbers, odd)
	}
}
