package httpapi

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

func TestListenersOfAnOrganisationAreCounted(t *testing.T) {
	t.Parallel()
	l := newListeners(2)
	leave, err := l.join("acme")
	require.NoError(t, err)
	_, err = l.join("acme")
	require.NoError(t, err)
	_, err = l.join("acme")
	var p *problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 429, p.status)
	require.Equal(t, CodeRateLimited, p.code)
	require.Positive(t, p.retryAfter)
	other, err := l.join("other")
	require.NoError(t, err)
	other()
	leave()
	leave, err = l.join("acme")
	require.NoError(t, err)
	leave()
	require.Equal(t, map[string]int{"acme": 1}, l.orgs)
}

func TestOneListenerTooManyIsPutOff(t *testing.T) {
	t.Parallel()
	b := newBroadcast(t, nil, 10, fake.Config{}, func(c *Config) { c.MaxListeners = 2 })
	made := b.create("acme", 1)
	b.listen("acme", eventsOfAll)
	last := b.listen("acme", eventsOf(made.ID))
	resp, err := http.DefaultTransport.RoundTrip(b.request("acme", eventsOfAll))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "10", resp.Header.Get("Retry-After"))
	b.listen("globex", eventsOfAll)
	last.close()
	require.Eventually(t, func() bool {
		b.api.listeners.mu.Lock()
		defer b.api.listeners.mu.Unlock()
		return b.api.listeners.orgs["acme"] == 1
	}, patience, time.Millisecond)
	b.listen("acme", eventsOfAll)
}
