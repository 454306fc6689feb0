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

const (
	// pageSize is how many calls a page of the list has.
	pageSize = 50

	// mostPages bounds how far a look-up goes back. So many calls of one number to another, in the time of an
	// attempt, are no business of an engine's.
	mostPages = 20
)

// absences is how often Twilio has to say that there is no such call.
const absences = 3

// account makes requests to Twilio for an account. It is safe for concurrent use.
type account struct {
	config Config
	http   *http.Client
	base   *url.URL // nil: Twilio's own

	credentials atomic.Pointer[credentials] // that were accepted last, or are to be tried first; never nil
	renewed     atomic.Pointer[account]     // whose credentials are newer; may be nil

	ahead   atomic.Int64 // how far Twilio's clock is ahead of ours, in nanoseconds
	learned atomic.Bool  // that was measured well
}

func newAccount(c Config) *account {
	a := &account{config: c, http: &http.Client{
		Transport: c.Transport,
		// A redirected request might be made twice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	own := credentialsOf(c)
	a.credentials.Store(&own)
	if c.BaseURL != "" {
		a.base, _ = url.Parse(c.BaseURL) // checked already
	}
	return a
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
// cut to a second, so half of one is added. A slow answer tells less, for there is no knowing when
// it was dated: it counts until there is a better one.
func (a *account) learnClock(header http.Header, begun time.Time) {
	at, err := http.ParseTime(header.Get("Date"))
	took := time.Since(begun)
	isGood := took <= time.Second/2
	if err != nil || (!isGood && a.learned.Load()) {
		return
	}
	a.ahead.Store(int64(at.Add(time.Second / 2).Sub(begun.Add(took / 2))))
	a.learned.CompareAndSwap(false, isGood)
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

// fetchSure does not believe at once that there is no such call: what Twilio shows of one may be
// behind what it does.
func (a *account) fetchSure(ctx context.Context, sid string) (record, error) {
	for tries := 1; ; tries++ {
		r, err := a.fetch(ctx, sid)
		if err == nil || asFailure(err).fate != absent || tries == absences || !pause(ctx, a.config.Timing.LookUpEvery) {
			return r, err
		}
	}
}

// end asks for the end of a call: canceled spares one that was answered. The error is a *failure.
func (a *account) end(ctx context.Context, sid, status string) (record, error) {
	return a.one(a.api(ctx).UpdateCall(sid, (&rest.UpdateCallParams{}).SetStatus(status)))
}

// list returns the calls from one number to another that Twilio has created since a time of its clock, as
// far as it lists them yet, and perhaps some from before. The error is a *failure.
func (a *account) list(ctx context.Context, from, to string, since func() time.Time) ([]record, error) {
	p := (&rest.ListCallParams{}).SetFrom(from).SetTo(to).SetPageSize(pageSize)
	var records []record
	token, number := "", ""
	for range mostPages {
		page, err := a.api(ctx).PageCall(p, token, number)
		if err != nil {
			return nil, asFailure(err)
		}
		isOlder := true // the latest come first
		for i := range page.Calls {
			r := recordOf(&page.Calls[i])
			records = append(records, r)
			isOlder = isOlder && !r.created.IsZero() && r.created.Before(since())
		}
		if token, number = nextPage(page.NextPageUri); isOlder || token == "" {
			break
		}
	}
	return records, nil
}

// nextPage reads what tells a page from others. Its host and path are ours to choose.
func nextPage(uri *string) (token, number string) {
	u, err := url.Parse(text(uri))
	if err != nil {
		return "", ""
	}
	return u.Query().Get("PageToken"), u.Query().Get("Page")
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
