package twilio

import (
	"maps"
	"net/url"
	"time"
)

// event is news of a call, from a callback, an answer of the API or a stream.
type event struct {
	sid     string
	status  string
	isCall  bool // it is a callback, so Twilio reaches us
	isNamed bool // it came with the call's own id, so the SID is certainly the call's

	dialled  time.Time // by Twilio's clock; zero: not told
	ended    time.Time
	duration time.Duration // -1: not told
	details  map[string]string
}

// eventOf is what an answer of the API tells.
func eventOf(r record) event {
	return event{
		sid: r.sid, status: r.status, dialled: r.dialled, ended: r.ended, duration: r.duration,
		details: told(map[string]string{"answered_by": r.answeredBy, "queue_time": r.queuedMS}),
	}
}

// callbackOf is what a status callback tells, or one of machine detection, which has no status.
func callbackOf(form url.Values) event {
	return event{
		sid: form.Get("CallSid"), status: form.Get("CallStatus"), isCall: true, isNamed: true,
		duration: seconds(form.Get("CallDuration")),
		details: told(map[string]string{
			"answered_by": form.Get("AnsweredBy"),
			"sip_code":    form.Get("SipResponseCode"),
			"error_code":  form.Get("ErrorCode"),
		}),
	}
}

// told leaves out what is empty, and cuts what is no code or word.
func told(details map[string]string) map[string]string {
	const most = 64
	maps.DeleteFunc(details, func(_, value string) bool { return value == "" || len(value) > most })
	return details
}
