package twilio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	p, ok := dialer.As[dialer.Prober](r.Dialer)
	require.True(t, ok)
	for _, test := range []struct{ status, kind, says string }{
		{"active", "Full", ""},
		{"suspended", "Full", "is suspended"},
		{"suspended", "Trial", "is suspended"},
		{"closed", "Full", "is closed"},
		{"active", "Trial", "is a trial"},
		{"odd", "Full", "expected active"},
		{"", "", "expected active"},
	} {
		r.twilio.Account(test.status, test.kind)
		err := p.Probe(t.Context())
		if test.says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, test.says)
		require.NotContains(t, err.Error(), token)
	}
	r.twilio.Account("active", "Full")
	r.twilio.Expire(true)
	require.ErrorContains(t, p.Probe(t.Context()), "not accepted")
	require.Zero(t, r.twilio.Placed())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Probe(ctx), context.Canceled)
}

func TestProbeOfAnAccountThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.AccountSID = "AC00000000000000000000000000000009" })
	require.ErrorContains(t, r.Probe(t.Context()), "not accepted")

	for code, says := range map[int]string{20404: "no account", 20005: "out of funds", 10005: "voice is disabled", 20429: "cannot be read"} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status := http.StatusForbidden
			if code == 20404 {
				status = http.StatusNotFound
			}
			twiliotest.Fail(w, twiliotest.Fault{Status: status, Code: code})
		}))
		t.Cleanup(api.Close)
		r.config.BaseURL = api.URL
		require.ErrorContains(t, r.open(t).Probe(t.Context()), says)
	}
	r.config.BaseURL = nowhere
	err := r.open(t).Probe(t.Context())
	require.ErrorContains(t, err, "cannot be read")
	require.NotContains(t, err.Error(), token)
}

// TestProbeWithAKeyThatMayNotReadTheAccount is for Twilio's standard keys.
func TestProbeWithAKeyThatMayNotReadTheAccount(t *testing.T) {
	t.Parallel()
	key, secret := "SK00000000000000000000000000000001", "the secret"
	r := newRigOver(t, twiliotest.Config{APIKey: key, APISecret: secret}, func(c *twilio.Config) {
		c.APIKey, c.APISecret = key, secret
	})
	require.NoError(t, r.Probe(t.Context()))
	r.config.APISecret = "another"
	require.ErrorContains(t, r.open(t).Probe(t.Context()), "not accepted")
}
