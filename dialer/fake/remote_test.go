package fake_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// serve has the carrier listen on the loopback interface until the test ends.
func serve(t *testing.T, c *fake.Carrier) (address string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- c.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

// What a dialer leaves behind goes on at the carrier, and the next one finds it.
func TestACallOutlivesTheConnection(t *testing.T) {
	c := newCarrier(t, fake.Config{Books: true})
	c.Script("+12025550100", fake.Behaviour{Talk: time.Hour})
	call := dialer.Call{ID: "call_1", From: "+442071838750", To: "+12025550100", RingTimeout: time.Minute, MaxDuration: time.Hour}

	first, err := dialer.Open("fake://" + serve(t, c))
	require.NoError(t, err)
	ctx, detach := context.WithCancelCause(t.Context())
	_, err = first.Dial(ctx, call, func(p dialer.Progress) {
		if p.Stage == dialer.Connected {
			detach(dialer.ErrDetached)
		}
	})
	require.ErrorIs(t, err, dialer.ErrDetached)
	require.Equal(t, 1, c.Live())

	second := fake.Remote(serve(t, c), dialer.Limits{}).(dialer.Resumer)
	ctx, hangUp := context.WithCancelCause(t.Context())
	o, err := second.Resume(ctx, call, func(p dialer.Progress) {
		if p.Stage == dialer.Connected {
			hangUp(dialer.HangUp(dialer.MaxDuration))
		}
	})
	require.NoError(t, err)
	require.Equal(t, dialer.MaxDuration, o.Reason)
	require.Zero(t, c.Live())
	require.Equal(t, 1, c.Books().Placed(fake.Scope{}))

	call.ID = "call_2"
	_, err = second.Resume(t.Context(), call, func(dialer.Progress) {})
	require.ErrorIs(t, err, dialer.ErrUnknownCall)
}

func TestProbeOfACarrierElsewhere(t *testing.T) {
	c := newCarrier(t, fake.Config{})
	address := serve(t, c)
	d, err := dialer.Open("fake://" + address + "?channels=7")
	require.NoError(t, err)
	p, ok := dialer.As[dialer.Prober](d)
	require.True(t, ok)
	require.NoError(t, p.Probe(t.Context()))
	l, ok := d.(dialer.Limiter)
	require.True(t, ok)
	require.Equal(t, dialer.Limits{Channels: 7}, l.Limits())
	c.Rest(time.Hour)
	require.ErrorContains(t, p.Probe(t.Context()), "it has a rest")
}

// Where nobody listens, nobody's phone rang.
func TestACarrierElsewhereThatIsGone(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	d := fake.Remote(l.Addr().String(), dialer.Limits{})
	_, err = d.Dial(t.Context(), dialer.Call{ID: "call_1"}, func(dialer.Progress) {})
	var busy *dialer.UnavailableError
	require.ErrorAs(t, err, &busy)
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
}

// A connection that breaks says nothing of the call.
func TestABrokenConnectionIsAnUnknownFate(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	_, err = fake.Remote(l.Addr().String(), dialer.Limits{}).Dial(t.Context(), dialer.Call{ID: "call_1"}, func(dialer.Progress) {})
	require.ErrorContains(t, err, "broke")
	require.NotErrorIs(t, err, dialer.ErrNotPlaced)
}

func TestURLOfACarrierElsewhere(t *testing.T) {
	for _, bad := range []string{"fake://127.0.0.1:70/x", "fake://u@127.0.0.1:70", "fake://127.0.0.1:70?talk=1s", "fake://:70"} {
		_, err := dialer.Open(bad)
		require.Error(t, err, bad)
	}
}
