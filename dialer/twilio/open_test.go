package twilio_test

import (
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
)

const (
	user   = "twilio://" + account + ":s3cret@?"
	public = "public=https://calls.example.com/twilio"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]dialer.Limits{
		"":                               {CPS: 1},
		"&channels=20&cps=5&burst=2":     {Channels: 20, CPS: 5, Burst: 2},
		"&edge=dublin&region=ie1":        {CPS: 1},
		"&stream=direct&amd=enable":      {CPS: 1},
		"&amd=message_end&old_token=old": {CPS: 1},
		"&key=SK00000000000000000000000000000001&secret=x":             {CPS: 1},
		"&longest_call=24h&queue_timeout=5s&agent_token=t":             {CPS: 1},
		"&insecure=loopback&base=http://127.0.0.1:8080/x&stream=proxy": {CPS: 1},
	} {
		d, err := dialer.Open(user + public + query)
		require.NoError(t, err, query)
		require.Equal(t, want, d.(dialer.Limiter).Limits(), query)
		require.NoError(t, d.(io.Closer).Close())
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		user:                                                      "public URL is missing",
		user + public + "&colour=red":                             "colour",
		user + public + "&cps=x":                                  "cps",
		user + public + "&stream=by-s3cret":                       "proxy or direct",
		user + public + "&amd=yes":                                "enable or message_end",
		user + public + "&insecure=yes":                           "loopback",
		user + public + "&edge=a.b":                               "edge",
		user + public + "&key=SK1&secret=x":                       "API key",
		user + public + "&key=SK00000000000000000000000000000001": "its secret",
		user + public + "&longest_call=1s":                        "longest call",
		user + public + "?x=y":                                    "public URL",
		user + "public=http://calls.example.com":                  "https",
		user + "public=http://127.0.0.1:80":                       "https",
		user + "insecure=loopback&public=http://192.0.2.1":        "https",
		user + public + "&base=http://evil.example":               "base URL",
		"twilio://AC1:s3cret@?" + public:                          "SID",
		"twilio://" + account + "@?" + public:                     "auth token",
		"twilio://" + account + ":s3cret@host?" + public:          "without host",
		"twilio://?" + public:                                     "ACCOUNT:TOKEN",
		"twilio:x":                                                "ACCOUNT:TOKEN",
	} {
		_, err := dialer.Open(url)
		require.ErrorContains(t, err, says, url)
		require.NotContains(t, strings.ReplaceAll(err.Error(), "by-s3cret", ""), "s3cret")
	}
}

func TestConfigRefusesEmptyTokens(t *testing.T) {
	t.Parallel()
	c := twilio.Config{AccountSID: account, AuthToken: "t", PublicURL: "https://calls.example.com", OldAuthTokens: []string{""}}
	_, err := twilio.New(c)
	require.ErrorContains(t, err, "auth token is empty")
	c.OldAuthTokens, c.Timing.Request = nil, -1
	_, err = twilio.New(c)
	require.ErrorContains(t, err, "none below 0")
	c.Timing.Request, c.Limits.CPS = 0, -1
	_, err = twilio.New(c)
	require.ErrorContains(t, err, "limits")
}

// TestADialerThatIsNamedByURLHasALog is no parallel test: the log is the process's.
func TestADialerThatIsNamedByURLHasALog(t *testing.T) {
	said, before := &lockedBuffer{}, slog.Default() //nolint:forbidigo // it is what is tested
	writer, flags := log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
	})
	d, err := dialer.Open(user + public)
	require.NoError(t, err)
	defer d.(io.Closer).Close()
	answer := httptest.NewRecorder()
	d.(*twilio.Dialer).Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/twilio/status?call=x", http.NoBody))
	require.Equal(t, http.StatusForbidden, answer.Code)
	require.Contains(t, said.String(), "is not signed by Twilio")
}

// lockedBuffer is for those who log in the background.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestHowLongADialerLingers(t *testing.T) {
	t.Parallel()
	for query, longest := range map[string]time.Duration{"": 4 * time.Hour, "&longest_call=24h": 24 * time.Hour} {
		d, err := dialer.Open(user + public + query)
		require.NoError(t, err)
		l, ok := dialer.As[config.Lingerer](d)
		require.True(t, ok)
		require.Greater(t, l.Linger(), 24*time.Hour+longest, "a call may wait at Twilio for a day")
		require.Less(t, l.Linger(), 26*time.Hour+longest)
		require.NoError(t, d.(io.Closer).Close())
	}
}
