package lifecycle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/benchmarks/internal/lifecycle"
	"github.com/outdial/outdial/fsm"
)

// The same as the measure, for go test -run '^$' -bench . ./internal/lifecycle.
func BenchmarkLifecycle(b *testing.B) {
	for _, p := range lifecycle.Pieces() {
		b.Run(p.Name, func(b *testing.B) {
			b.ReportAllocs()
			require.NoError(b, p.Do(b.N))
		})
	}
}

func TestPiecesDoWhatTheySay(t *testing.T) {
	for _, p := range lifecycle.Pieces() {
		require.NoError(t, p.Do(100), p.Name)
	}
}

// The switch is compared with the table, so it must say the same.
func TestSwitchIsTheTable(t *testing.T) {
	for s := fsm.Queued; s <= fsm.Cancelled; s++ {
		for e := fsm.Dispatch; e <= fsm.Retry; e++ {
			want, wantErr := s.Next(e)
			got, err := lifecycle.Next(s, e)
			require.Equal(t, want, got, "%v by %v", s, e)
			require.Equal(t, wantErr != nil, err != nil, "%v by %v", s, e)
		}
	}
}
