package dialer_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// TestWhatARefusalSays holds that each of these errors says all that the ones before it do, and no more.
func TestWhatARefusalSays(t *testing.T) {
	t.Parallel()
	said := []error{dialer.ErrNotPlaced, dialer.ErrNotAsked, dialer.ErrForbidden}
	for i, err := range said {
		wrapped := fmt.Errorf("trunk-eu: %w", err)
		for j, other := range said {
			require.Equal(t, j <= i, errors.Is(wrapped, other), "%v, %v", err, other)
		}
		_, unavailable := errors.AsType[*dialer.UnavailableError](wrapped)
		require.False(t, unavailable, "it would be queued again for ever")
	}
	require.NotErrorIs(t, &dialer.UnavailableError{}, dialer.ErrNotAsked)
	require.EqualError(t, dialer.ErrForbidden, "no call was placed: the carrier was not asked, and no other may be")
}
