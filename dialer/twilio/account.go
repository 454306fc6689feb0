package twilio

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"
	rest "github.com/twilio/twilio-go/rest/api/v2010"
)

// pageSize is how many calls a look-up sees: the latest, of one number to another.
const pageSize = 50

// account makes requests to Twilio for an account. It is safe for concurrent use.
type account struct {
	config Config
	http   *http.Client
	base   *url.URL // nil: Twilio's own

	ahead atomic.Int64 // how far Twilio's clock is ahead of ours, in nanoseconds
}

func newAccount(c Config) *account {
	a := &account{config: c, http: &http.Client{
		Transport: c.Transport,
		// A redirected request might be made twice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.BaseURL != "" {
		a.base, _ = url.Parse(c.BaseURL) // checked already
	}
	return a
}

func (a *account) credentials() (user, password string) {
	if a.config.APIKey != "" {
		return a.config.APIKey, a.config.APISecret
	}
	return a.config.AccountSID, a.config.AuthToken
}

// address puts the base URL in place of Twilio's.
func (a *account) address(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, withoutURL(err)
	}
	if a.base != nil {
		u.Scheme, u.Host = a.base.Scheme, a.base.Host
		u.Path = strings.TrimSuffix(a.base.Path, "/") + u.Path
	}
	return u, nil
}

// learnClock compares Twilio's clock with ours, since calls are looked for by Twilio's times. Its Date is
// cut to a second, so half of one is added. A slow answer tells little: there is no knowing when
// it was dated.
func (a *account) learnClock(header http.Header, begun time.Time) {
	at, err := http.ParseTime(header.Get("Date"))
	took := time.Since(begun)
	if err != nil || took > time.Second/2 {
		return
	}
	a.ahead.Store(int64(at.Add(time.Second / 2).Sub(begun.Add(took / 2))))
}

// atTwilio is a time of ours by Twilio's clock.
func (a *account) atTwilio(t time.Time) time.Time { return t.Add(time.Duration(a.ahead.Load())) }

// api is twilio-go over one request.
func (a *account) api(ctx context.Context) *rest.ApiService {
	return rest.NewApiService(&client.RequestHandler{
		Client: &request{ctx: ctx, account: a}, Edge: a.config.Edge, Region: a.config.Region,
	})
}

// create asks for a call, once. The error is a *failure.
func (a *account) create(ctx context.Context, p *rest.CreateCallParams) (record, error) {
	return a.one(a.api(ctx).CreateCall(p))
}

// fetch asks what became of a call. The error is a *failure.
func (a *account) fetch(ctx context.Context, sid string) (record, error) {
	return a.one(a.api(ctx).FetchCall(sid, nil))
}

// end asks for the end of a call: canceled spares one that was answered. The error is a *failure.
func (a *account) end(ctx context.Context, sid, status string) (record, error) {
	return a.one(a.api(ctx).UpdateCall(sid, (&rest.UpdateCallParams{}).SetStatus(status)))
}

// list returns the latest calls from one number to another. The error is a *failure.
func (a *account) list(ctx context.Context, from, to string) ([]record, error) {
	p := (&rest.ListCallParams{}).SetFrom(from).SetTo(to).SetPageSize(pageSize)
	page, err := a.api(ctx).PageCall(p, "", "")
	if err != nil {
		return nil, asFailure(err)
	}
	records := make([]record, len(page.Calls))
	for i := range page.Calls {
		records[i] = recordOf(&page.Calls[i])
	}
	return records, nil
}

func (a *account) one(call *rest.ApiV2010Call, err error) (record, error) {
	if err != nil {
		return record{}, asFailure(err)
	}
	r := recordOf(call)
	if !callSID.MatchString(r.sid) {
		return record{}, &failure{fate: unknown, cause: errNoSID}
	}
	return r, nil
}
