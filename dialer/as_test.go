package dialer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

type plainDialer struct{ dialer.Dialer }

func (plainDialer) Probe(context.Context) error { return nil }

type wrapper struct{ inner dialer.Dialer }

func (w wrapper) Dial(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	return w.inner.Dial(ctx, c, report)
}
func (w wrapper) Unwrap() dialer.Dialer { return w.inner }

func TestAsLooksThroughWrappers(t *testing.T) {
	inner := plainDialer{}
	for _, d := range []dialer.Dialer{inner, wrapper{inner}, wrapper{wrapper{inner}}} {
		p, ok := dialer.As[dialer.Prober](d)
		require.True(t, ok)
		require.Equal(t, inner, p)
	}
	_, ok := dialer.As[dialer.Resumer](wrapper{inner})
	require.False(t, ok)
	_, ok = dialer.As[dialer.Prober](wrapper{})
	require.False(t, ok, "what wraps nothing")
	_, ok = dialer.As[dialer.Prober](nil)
	require.False(t, ok)
}
