package twilio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Stream says which way the audio goes.
type Stream string

// The ways. The zero value is Proxy.
const (
	Proxy  Stream = "proxy"  // Twilio, Handler, agent
	Direct Stream = "direct" // Twilio, agent
)

// Machines is what answering machine detection waits for. It is asynchronous: the callee
// hears the agent at once.
type Machines string

// The kinds of detection. The zero value is none.
const (
	Detect           Machines = "Enable"           // says whether a human or a machine answered
	DetectMessageEnd Machines = "DetectMessageEnd" // and when the machine's greeting is over
)

// Config describes a Twilio account. AccountSID, AuthToken and PublicURL are required.
type Config struct {
	AccountSID string // AC and 32 hexadecimal digits

	// AuthToken is what Twilio signs callbacks with, and the password for requests where
	// there is no APIKey.
	AuthToken string

	// OldAuthTokens are accepted for callbacks, too, while a token is being replaced.
	OldAuthTokens []string

	// APIKey (SK…) and APISecret are used for requests. Empty: the AuthToken is.
	APIKey, APISecret string

	// Edge and Region are where Twilio takes requests. The credentials are those of the
	// region. Empty: Twilio's default, us1. The environment is not looked at.
	Edge, Region string

	// BaseURL replaces scheme and host of the API. Empty: https://api.twilio.com, or what
	// Edge and Region make of it.
	BaseURL string

	// PublicURL is where Twilio reaches [Dialer.Handler]: https, without query string. Twilio
	// signs it, so it is to be what Twilio sees, whatever stands in between.
	PublicURL string

	// Stream is the way of the audio. Empty: Proxy.
	Stream Stream

	// InsecureLoopback accepts http and ws URLs on the loopback interface. It is for tests.
	InsecureLoopback bool

	// Limits is what the account admits. CPS zero: 1, which is what Twilio gives a new account.
	Limits dialer.Limits

	// LongestCall is the account's longest call, and Twilio is asked for none that is longer.
	// Zero: 4 h.
	LongestCall time.Duration

	// Machines turns on answering machine detection. Empty: none.
	Machines Machines

	Timing Timing
	Agent  Agent

	// Owner finds the process that follows a call, where several share the PublicURL or this one has been
	// started anew. Nil: what comes for a call that is not followed here is ignored, a stream refused. See
	// [Dialer.FindOwners] for a dialer that was opened by its URL.
	Owner OwnerFunc

	// Transport carries the requests to Twilio. It must not repeat a POST by itself. Where it does not tell
	// net/http/httptrace of its connections, every request that breaks off may have arrived. Nil: one like
	// http.DefaultTransport.
	Transport http.RoundTripper

	// Logger is told what goes wrong without being the end of a call. Nil: nobody is; a dialer that was opened by its
	// URL has slog.Default.
	Logger *slog.Logger
}

// Timing is how long things may take. Zero fields are their defaults.
type Timing struct {
	Request     time.Duration // one request. Zero: 10 s
	Create      time.Duration // until a call is created, with all repetitions. Zero: 20 s
	LookUp      time.Duration // how long a call of unknown fate is looked for. Zero: 30 s
	LookUpEvery time.Duration // how often. Zero: 3 s
	Queue       time.Duration // how long a call may wait at Twilio. Zero: 20 s
	PollAfter   time.Duration // how long after an expected end Twilio is asked. Zero: 10 s
	PollEvery   time.Duration // how often then, give or take a third. Zero: 45 s
	Settle      time.Duration // how long after the stream's end the call may take to end. Zero: 3 s
	HangUp      time.Duration // until a call that is hung up has ended. Zero: 15 s
	Reap        time.Duration // how long a call that nobody follows is tried to be hung up. Zero: 10 min
	Callback    time.Duration // for the body of a callback to come. Zero: 5 s
}

// Agent is how agents are connected to where the audio passes through this process.
type Agent struct {
	// Token is sent as a bearer token with the request that opens the WebSocket. Empty: none.
	Token string

	// Header returns what else to send with it. It may be called by many goroutines at
	// once. Nil: nothing.
	Header func(call dialer.Call) http.Header

	// HTTPClient opens the connection. Nil: one with the system's certificates and proxy.
	HTTPClient *http.Client

	ConnectTimeout time.Duration // how long an agent may take to accept. Zero: 5 s
	PingEvery      time.Duration // how often the connection is tried. Zero: 10 s. Negative: never
	Farewell       time.Duration // how long what an agent has sent is played after it hung up. Zero: 30 s

	// Inactivity is how long nothing may come from Twilio, which sends 50 messages a second.
	// Zero: 20 s. Negative: for ever.
	Inactivity time.Duration
}

// withDefaults fills in what was left zero, or says which field cannot be.
func (c Config) withDefaults() (Config, error) {
	c.Timing = c.Timing.withDefaults()
	c.Agent = c.Agent.withDefaults()
	if c.Stream == "" {
		c.Stream = Proxy
	}
	if c.Limits.CPS == 0 {
		c.Limits.CPS = 1
	}
	fill(&c.LongestCall, 4*time.Hour)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	return c, c.check()
}

func (t Timing) withDefaults() Timing {
	fill(&t.Request, 10*time.Second)
	fill(&t.Create, 20*time.Second)
	fill(&t.LookUp, 30*time.Second)
	fill(&t.LookUpEvery, 3*time.Second)
	fill(&t.Queue, 20*time.Second)
	fill(&t.PollAfter, 10*time.Second)
	fill(&t.PollEvery, 45*time.Second)
	fill(&t.Settle, 3*time.Second)
	fill(&t.HangUp, 15*time.Second)
	fill(&t.Reap, 10*time.Minute)
	fill(&t.Callback, 5*time.Second)
	return t
}

func (a Agent) withDefaults() Agent {
	fill(&a.ConnectTimeout, 5*time.Second)
	fill(&a.PingEvery, 10*time.Second)
	fill(&a.Farewell, 30*time.Second)
	fill(&a.Inactivity, 20*time.Second)
	if a.HTTPClient == nil {
		a.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSHandshakeTimeout: a.ConnectTimeout,
			DisableKeepAlives:   true, // a refused connection is of no use to the next call
		}}
	}
	return a
}

func fill(d *time.Duration, zero time.Duration) {
	if *d == 0 {
		*d = zero
	}
}

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	callSID    = regexp.MustCompile(`^CA[0-9a-fA-F]{32}$`)
	apiKey     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	label      = regexp.MustCompile(`^[a-z0-9-]{1,30}$`)
)

// check names the field and never its value where that may be a secret.
func (c Config) check() error {
	switch {
	case !accountSID.MatchString(c.AccountSID):
		return errors.New("twilio: the account's SID: expected AC and 32 hexadecimal digits")
	case c.AuthToken == "" || slices.Contains(c.OldAuthTokens, ""):
		return errors.New("twilio: an auth token is empty: callbacks are signed with it, even where an API key is used")
	case c.APIKey != "" && !apiKey.MatchString(c.APIKey):
		return errors.New("twilio: the API key: expected SK and 32 hexadecimal digits")
	case (c.APIKey == "") != (c.APISecret == ""):
		return errors.New("twilio: an API key needs its secret, and a secret its key")
	case (c.Edge != "" && !label.MatchString(c.Edge)) || (c.Region != "" && !label.MatchString(c.Region)):
		return fmt.Errorf("twilio: edge %.40q, region %.40q: expected names such as dublin and ie1", c.Edge, c.Region)
	case c.Stream != Proxy && c.Stream != Direct:
		return fmt.Errorf("twilio: stream %.40q: expected proxy or direct", c.Stream)
	case c.Machines != "" && c.Machines != Detect && c.Machines != DetectMessageEnd:
		return fmt.Errorf("twilio: machine detection %.40q: expected Enable or DetectMessageEnd", c.Machines)
	case c.LongestCall < time.Minute:
		return fmt.Errorf("twilio: the longest call is %v: expected a minute or more", c.LongestCall)
	}
	return errors.Join(c.checkTimes(), c.checkURL("public", c.PublicURL), c.checkBase())
}

func (c Config) checkTimes() error {
	t := c.Timing
	for _, d := range []time.Duration{
		t.Request, t.Create, t.LookUp, t.LookUpEvery, t.Queue, t.PollAfter, t.PollEvery, t.Settle, t.HangUp, t.Reap,
		t.Callback, c.Agent.ConnectTimeout, c.Agent.Farewell,
	} {
		if d < 0 {
			return fmt.Errorf("twilio: a time is %v: expected none below 0", d)
		}
	}
	if l := c.Limits; l.Channels < 0 || !(l.CPS > 0) || l.Burst < 0 {
		return fmt.Errorf("twilio: limits %+v: expected none below 0", l)
	}
	return nil
}

func (c Config) checkBase() error {
	if c.BaseURL == "" {
		return nil
	}
	return c.checkURL("base", c.BaseURL)
}

// checkURL does not repeat the URL, which may have a secret in its path.
func (c Config) checkURL(name, address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return fmt.Errorf("twilio: the %s URL is missing", name)
	case err != nil:
		return fmt.Errorf("twilio: the %s URL cannot be read", name)
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return fmt.Errorf("twilio: the %s URL: expected https://HOST/PATH, without user, query string and fragment", name)
	case u.Scheme == "http" && c.InsecureLoopback && isLoopback(u.Hostname()):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("twilio: the %s URL: expected https", name)
	}
	return nil
}
