package twilio_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// untraced is a transport of somebody's who does not know net/http/httptrace, and loses the first answer.
type untraced struct {
	inner http.RoundTripper
	lost  atomic.Bool
}

func (u *untraced) RoundTrip(r *http.Request) (*http.Response, error) {
	plain, err := http.NewRequest(r.Method, r.URL.String(), r.Body)
	if err != nil {
		return nil, err
	}
	plain.Header = r.Header
	response, err := u.inner.RoundTrip(plain)
	if err != nil || u.lost.Swap(true) {
		return response, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return nil, errors.New("the answer was lost")
}

// TestATransportThatTellsNothingIsNotBelieved has a transport under which a request that arrived looks like
// one that never left.
func TestATransportThatTellsNothingIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	inner := &http.Transport{}
	t.Cleanup(inner.CloseIdleConnections)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: brief, End: "busy"})
	d := r.openOver(t, &untraced{inner: inner})
	got := begin(t, d.Dial, r.call("call", ada)).over()
	require.Equal(t, string(dialer.DialBusy), got.end(), "%v", got.err)
	require.Equal(t, 1, r.twilio.Placed(), "it was created once")
}
