package twiliotest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP is the API.
func (t *Twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(t.config.Ahead).UTC().Format(http.TimeFormat))
	if !t.knows(r) {
		Fail(w, Fault{Status: http.StatusUnauthorized, Code: 20003})
		return
	}
	own := "/2010-04-01/Accounts/" + t.config.AccountSID
	prefix := own + "/Calls"
	sid := strings.TrimSuffix(path.Base(r.URL.Path), ".json")
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	form, parseErr := url.ParseQuery(string(body))
	switch {
	case err != nil || parseErr != nil:
		Fail(w, Fault{Status: http.StatusBadRequest, Code: 20001})
	case r.URL.Path == own+".json" && r.Method == http.MethodGet && t.isKey(r):
		Fail(w, Fault{Status: http.StatusUnauthorized, Code: 20003}) // a standard key may not read accounts
	case r.URL.Path == own+".json" && r.Method == http.MethodGet:
		t.answer(w, t.fault("", "account"), http.StatusOK, t.resource)
	case r.URL.Path == prefix+".json" && r.Method == http.MethodPost:
		t.create(w, form)
	case r.URL.Path == prefix+".json" && r.Method == http.MethodGet:
		t.list(w, r.URL.Query())
	case strings.HasPrefix(r.URL.Path, prefix+"/") && t.find(sid) != nil:
		t.one(w, r.Method, t.find(sid), form)
	default:
		Fail(w, Fault{Status: http.StatusNotFound, Code: 20404})
	}
}

func (t *Twilio) knows(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	t.mu.Lock()
	defer t.mu.Unlock()
	isToken := user == t.config.AccountSID && t.token != "" && password == t.token
	return isToken || t.isKey(r)
}

func (t *Twilio) isKey(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return t.config.APIKey != "" && user == t.config.APIKey && password == t.config.APISecret
}

func (t *Twilio) create(w http.ResponseWriter, form url.Values) {
	f := t.fault(form.Get("To"), "create")
	t.answer(w, f, http.StatusCreated, func() any { return t.place(form).resource() })
}

func (t *Twilio) one(w http.ResponseWriter, method string, c *call, form url.Values) {
	if method == http.MethodGet {
		t.answer(w, t.fault(c.form.Get("To"), "fetch"), http.StatusOK, func() any { return c.resource() })
		return
	}
	f := t.fault(c.form.Get("To"), "update")
	if c.isOver() && f == (Fault{}) {
		Fail(w, Fault{Status: http.StatusBadRequest, Code: 21220})
		return
	}
	t.answer(w, f, http.StatusOK, func() any {
		select {
		case c.told <- form.Get("Status"):
		default:
		}
		return c.resource()
	})
}

func (t *Twilio) list(w http.ResponseWriter, query url.Values) {
	t.answer(w, t.fault(query.Get("To"), "list"), http.StatusOK, func() any { return t.page(query) })
}

// page is a part of the list, the latest first. Its token is the place of the first call of the page.
func (t *Twilio) page(query url.Values) any {
	size, err := strconv.Atoi(query.Get("PageSize"))
	if err != nil {
		size = 50
	}
	first, _ := strconv.Atoi(strings.TrimPrefix(query.Get("PageToken"), "PA")) // none: 0
	listed := t.listed(query.Get("From"), query.Get("To"))
	first = min(first, len(listed))
	last := min(first+size, len(listed))
	calls := make([]any, 0, size)
	for _, c := range listed[first:last] {
		calls = append(calls, c.resource())
	}
	address := "/2010-04-01/Accounts/" + t.config.AccountSID + "/Calls.json?"
	var next any
	if last < len(listed) {
		q := maps.Clone(query)
		q.Set("Page", strconv.Itoa(last/size))
		q.Set("PageToken", "PA"+strconv.Itoa(last))
		next = address + q.Encode()
	}
	return map[string]any{
		"calls": calls, "page": first / size, "page_size": size, "start": first, "end": max(first, last-1),
		"uri": address + query.Encode(), "first_page_uri": address + query.Encode(),
		"next_page_uri": next, "previous_page_uri": nil,
	}
}

// listed are the calls from one number to another, or all, as far as they are in the list.
func (t *Twilio) listed(from, to string) []*call {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.byTo[to]
	if to == "" {
		all = t.order
	}
	var calls []*call
	for _, c := range slices.Backward(all) {
		if (from == "" || c.form.Get("From") == from) && !time.Now().Before(c.listedAt) {
			calls = append(calls, c)
		}
	}
	return calls
}

// resource is the account as the API shows it. A real one has the auth token in it, too.
func (t *Twilio) resource() any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return map[string]any{
		"sid": t.config.AccountSID, "owner_account_sid": t.config.AccountSID, "auth_token": t.config.AuthToken,
		"friendly_name": "a stand-in", "status": t.status, "type": t.kind,
		"date_created": nil, "date_updated": nil, "subresource_uris": map[string]any{},
		"uri": "/2010-04-01/Accounts/" + t.config.AccountSID + ".json",
	}
}

// resource is the call as the API shows it.
func (c *call) resource() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return at.Add(c.twilio.config.Ahead).In(c.twilio.config.Zone).Format(time.RFC1123Z)
	}
	m := map[string]any{
		"sid": c.sid, "account_sid": c.twilio.config.AccountSID, "api_version": "2010-04-01",
		"date_created": stamp(c.created), "date_updated": stamp(time.Now()),
		"from": c.form.Get("From"), "to": c.form.Get("To"),
		"from_formatted": c.form.Get("From"), "to_formatted": c.form.Get("To"),
		"status": c.status, "start_time": stamp(c.dialled), "end_time": stamp(c.ended),
		"direction": "outbound-api", "duration": nil, "price": nil, "price_unit": "USD", "answered_by": nil,
		"parent_call_sid": nil, "phone_number_sid": nil, "group_sid": nil, "trunk_sid": nil,
		"forwarded_from": nil, "caller_name": nil, "queue_time": "0",
		"uri":              "/2010-04-01/Accounts/" + c.twilio.config.AccountSID + "/Calls/" + c.sid + ".json",
		"subresource_uris": map[string]any{},
	}
	if isFinal(c.status) {
		m["duration"] = strconv.Itoa(c.duration())
	}
	if c.form.Get("MachineDetection") != "" && !c.answered.IsZero() {
		m["answered_by"] = c.behaves.Machine
	}
	return m
}

// answer does what was asked, and says so, as far as the fault lets it.
func (t *Twilio) answer(w http.ResponseWriter, f Fault, status int, do func() any) {
	t.sleep(f.Delay)
	isWrong := f.Reset || f.Status != 0
	var result any
	switch {
	case f.Late > 0:
		t.background(func() {
			t.sleep(f.Late)
			if t.ctx.Err() == nil {
				do()
			}
		})
	case !isWrong || f.Accept:
		result = do()
	}
	t.sleep(f.Linger)
	switch {
	case f.Reset:
		panic(http.ErrAbortHandler) // closes the connection
	case f.Status != 0 && f.Status/100 != 2:
		Fail(w, f)
	default:
		succeed(w, f, status, result)
	}
}

func (t *Twilio) sleep(d time.Duration) {
	ctx, cancel := context.WithTimeout(t.ctx, d)
	defer cancel()
	<-ctx.Done()
}

func succeed(w http.ResponseWriter, f Fault, status int, result any) {
	body, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	if f.Body != "" {
		body = []byte(f.Body)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if f.Trickle > 0 {
		trickle(w, body, f.Trickle)
		return
	}
	if f.Cut {
		w.Write(body[:len(body)/2]) //nolint:errcheck,gosec // it is to break off
		panic(http.ErrAbortHandler)
	}
	w.Write(body) //nolint:errcheck,gosec // whoever asked may be gone
}

// trickle stops when whoever asked is gone.
func trickle(w http.ResponseWriter, body []byte, total time.Duration) {
	every := time.NewTicker(total / time.Duration(max(1, len(body))))
	defer every.Stop()
	for i := range body {
		<-every.C
		if _, err := w.Write(body[i : i+1]); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
	}
}

// Fail answers a request as Twilio refuses one, by the fault's Status, Code, Body and After.
func Fail(w http.ResponseWriter, f Fault) {
	switch now, err := http.ParseTime(w.Header().Get("Date")); {
	case f.After > 0 && f.Dated && err == nil:
		w.Header().Set("Retry-After", now.Add(f.After).Format(http.TimeFormat))
	case f.After > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int((f.After+time.Second-1)/time.Second)))
	}
	if f.Status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	if f.Body != "" {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		io.WriteString(w, f.Body) //nolint:errcheck,gosec // whoever asked may be gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	//nolint:errcheck,errchkjson,gosec // whoever asked may be gone
	json.NewEncoder(w).Encode(map[string]any{
		"code": f.Code, "message": "made up", "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(f.Code),
		"status": f.Status,
	})
}
