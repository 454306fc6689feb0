package twilio

import (
	"errors"
	"time"

	rest "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/outdial/outdial/dialer"
)

// mostRing is Twilio's longest Timeout.
const mostRing = 600 * time.Second

// paramsOf is what Twilio is asked for. Its own time limits come with it, so that a call ends even if
// nobody is left to end it.
func (d *Dialer) paramsOf(call dialer.Call) (*rest.CreateCallParams, error) {
	if call.ID == "" || call.From == "" || call.To == "" {
		return nil, errors.New("the call lacks its id or a number")
	}
	document, err := d.document(call)
	if err != nil {
		return nil, err
	}
	p := (&rest.CreateCallParams{}).
		SetFrom(string(call.From)).SetTo(string(call.To)).
		SetTwiml(document).
		SetTimeout(inSeconds(call.RingTimeout, mostRing)).
		SetTimeLimit(inSeconds(call.MaxDuration, d.config.LongestCall)).
		SetStatusCallback(d.callbackURL(statusPath, call)).
		SetStatusCallbackMethod("POST").
		SetStatusCallbackEvent([]string{"initiated", "ringing", "answered", "completed"})
	if d.config.Machines != "" {
		p.SetMachineDetection(string(d.config.Machines)).
			SetAsyncAmd("true").
			SetAsyncAmdStatusCallback(d.callbackURL(machinePath, call)).
			SetAsyncAmdStatusCallbackMethod("POST")
	}
	return p, nil
}

// inSeconds rounds up, since the call has a clock here, too. Zero is none: the most there is.
func inSeconds(d, most time.Duration) int {
	if d <= 0 || d > most {
		d = most
	}
	return int((d + time.Second - 1) / time.Second)
}

// timeLimit is the limit that Twilio keeps.
func (d *Dialer) timeLimit(call dialer.Call) time.Duration {
	return time.Duration(inSeconds(call.MaxDuration, d.config.LongestCall)) * time.Second
}
