package fake_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func TestProbeTellsWhetherTheCarrierTakesCalls(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true})
	for _, d := range []dialer.Dialer{c.Dialer(), c.WithoutResume()} {
		p, ok := d.(dialer.Prober)
		require.True(t, ok)
		require.NoError(t, p.Probe(t.Context()))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Probe(ended), context.Canceled)
		c.Rest(time.Minute)
		require.ErrorContains(t, p.Probe(t.Context()), "it has a rest")
		c.Rest(0)
		require.NoError(t, p.Probe(t.Context()))
	}
	require.NoError(t, c.Close())
	require.ErrorContains(t, c.Dialer().(dialer.Prober).Probe(t.Context()), "the carrier is closed")
	require.Empty(t, c.Books().Entries, "nothing was dialled")
}
