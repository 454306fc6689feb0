package twilio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// BenchmarkCallback is one status callback, signature and all, for a call that nobody here follows.
func BenchmarkCallback(b *testing.B) {
	const base = "https://calls.example.com/twilio"
	d, err := twilio.New(twilio.Config{AccountSID: account, AuthToken: token, PublicURL: base})
	require.NoError(b, err)
	defer d.Close()
	form := url.Values{
		"CallSid": {"CA00000000000000000000000000000009"}, "AccountSid": {account}, "CallStatus": {"ringing"},
		"From": {string(from)}, "To": {string(ada)}, "Direction": {"outbound-api"}, "SequenceNumber": {"1"},
		"Timestamp": {"Tue, 24 Nov 2026 20:00:00 +0000"}, "CallbackSource": {"call-progress-events"},
	}
	body, signature := form.Encode(), twiliotest.Sign(token, base+"/status?call=ac_1", form)
	handler := d.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/twilio/status?call=ac_1", strings.NewReader(body))
		r.Header.Set("Content-Type", formKind)
		r.Header.Set("X-Twilio-Signature", signature)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkCall is a whole call over the stand-in: the request, four callbacks, and the stand-in's own work.
func BenchmarkCall(b *testing.B) {
	r := newRig(b, nil)
	n := 0
	for b.Loop() {
		n++
		call := r.call(fmt.Sprintf("call-%d", n), dialer.Phone(fmt.Sprintf("+1415%07d", n)))
		if _, err := r.Dial(b.Context(), call, func(dialer.Progress) {}); err != nil {
			b.Fatal(err)
		}
	}
}
