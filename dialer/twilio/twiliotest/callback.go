package twiliotest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sign returns what Twilio has in X-Twilio-Signature.
func Sign(token, address string, form url.Values) string {
	var text strings.Builder
	text.WriteString(address)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			text.WriteString(name + v)
		}
	}
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(text.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// fields is what a callback has. The call is locked.
func (c *call) fields(status string) url.Values {
	form := url.Values{
		"CallSid": {c.sid}, "AccountSid": {c.twilio.config.AccountSID},
		"From": {c.form.Get("From")}, "To": {c.form.Get("To")},
		"Caller": {c.form.Get("From")}, "Called": {c.form.Get("To")},
		"CallStatus": {status}, "ApiVersion": {"2010-04-01"}, "Direction": {"outbound-api"},
		"Timestamp":      {time.Now().UTC().Format(time.RFC1123Z)},
		"CallbackSource": {"call-progress-events"}, "SequenceNumber": {strconv.Itoa(c.sequence)},
	}
	if isFinal(status) {
		form.Set("CallDuration", strconv.Itoa(c.duration()))
		form.Set("Duration", strconv.Itoa((c.duration()+59)/60))
		if code := map[string]string{"busy": "486", "failed": "404", "completed": "200"}[status]; code != "" {
			form.Set("SipResponseCode", code)
		}
	}
	return form
}

// notify calls back, if that was asked for. Callbacks are requests of their own, so their order is
// not certain.
func (c *call) notify(status string, form url.Values) {
	event := map[string]string{"in-progress": "answered", "initiated": "initiated", "ringing": "ringing"}[status]
	if event == "" {
		event = "completed"
	}
	if events := c.form["StatusCallbackEvent"]; len(events) > 0 && !slices.Contains(events, event) {
		return
	}
	c.send(c.form.Get("StatusCallback"), c.delivery(status), form)
}

func (c *call) delivery(status string) Delivery {
	if d, ok := c.behaves.Callbacks[status]; ok {
		return d
	}
	if d, ok := c.behaves.Callbacks["end"]; ok && isFinal(status) {
		return d
	}
	return c.behaves.All
}

// send makes the requests of a callback, in the background if they are to be late.
func (c *call) send(address string, d Delivery, form url.Values) {
	if address == "" || d.Lose {
		return
	}
	if d.Account != "" {
		form = maps.Clone(form)
		form.Set("AccountSid", d.Account)
	}
	work := func() {
		timer := time.NewTimer(d.Late)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.twilio.ctx.Done():
			return
		}
		for range max(1, d.Times) {
			c.twilio.post(address, d.Forged, form)
		}
	}
	if d.Late > 0 {
		c.twilio.background(work)
		return
	}
	c.outbox <- work
}

// post tries once more if there is no connection, as Twilio does.
func (t *Twilio) post(address string, forged bool, form url.Values) {
	token := t.config.AuthToken
	if forged {
		token = "somebody else's"
	}
	for range 2 {
		request, err := http.NewRequestWithContext(t.ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
		if err != nil {
			return
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		request.Header.Set("X-Twilio-Signature", Sign(token, address, form))
		response, err := t.http.Do(request)
		t.count(err == nil && response.StatusCode/100 == 2)
		if err != nil {
			continue
		}
		io.Copy(io.Discard, response.Body) //nolint:errcheck,gosec // nobody reads it
		response.Body.Close()              //nolint:gosec // it was read
		return
	}
}

func (t *Twilio) count(isTaken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made++
	if isTaken {
		t.taken++
	}
}

// detect is asynchronous machine detection.
func (c *call) detect() {
	address := c.form.Get("AsyncAmdStatusCallback")
	if c.form.Get("MachineDetection") == "" || address == "" {
		return
	}
	by := c.behaves.Machine
	if by == "" {
		by = "human"
	}
	c.send(address, c.delivery("machine"), url.Values{
		"CallSid": {c.sid}, "AccountSid": {c.twilio.config.AccountSID}, "AnsweredBy": {by},
		"MachineDetectionDuration": {"1200"},
	})
}
