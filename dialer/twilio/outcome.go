package twilio

import (
	"strconv"
	"time"

	"github.com/outdial/outdial/dialer"
)

// missedStream is how long a call may be answered before its stream has begun.
const missedStream = 5 * time.Second

// outcome is how the call ended. asked is the reason for which it was hung up; empty: it was not.
func (f *follower) outcome(k known, asked dialer.EndReason) dialer.Outcome {
	reason, message := f.reason(k, asked)
	o := dialer.Outcome{
		Reason: reason, RangAt: k.rangAt, ConnectedAt: k.connectedAt, EndedAt: k.endedAt,
		Ref: k.sid, Message: message, Details: k.details,
	}
	if o.Details == nil {
		o.Details = map[string]string{}
	}
	if k.status != "" {
		o.Details["status"] = k.status
	}
	if k.duration >= 0 {
		o.Details["duration"] = strconv.Itoa(int(k.duration / time.Second))
	}
	return o
}

func (f *follower) reason(k known, asked dialer.EndReason) (dialer.EndReason, string) {
	switch {
	case k.status == "busy":
		return dialer.DialBusy, ""
	case k.status == "failed":
		return dialer.DialFailed, ""
	case asked == dialer.Error:
		return asked, orElse(k.message, "the call was ended because of an error")
	case asked != "":
		return asked, ""
	case k.status == "no-answer":
		return dialer.DialNoAnswer, ""
	case k.status == canceled:
		return f.reasonOfCanceled(k), ""
	case k.status == completed:
		return f.reasonOfCompleted(k)
	}
	return dialer.Error, "Twilio does not know any more how the call ended"
}

// reasonOfCanceled is for a call that another process hung up, or somebody else.
func (f *follower) reasonOfCanceled(k known) dialer.EndReason {
	if ring := f.attempt.call.RingTimeout; f.attempt.resumed && ring > 0 && k.rangFor >= max(0, ring-time.Second) {
		return dialer.DialNoAnswer
	}
	return dialer.APICancelled
}

func (f *follower) reasonOfCompleted(k known) (dialer.EndReason, string) {
	reason := k.stream.reason()
	if k.stream == broken && !k.isCut {
		reason = "" // it broke because the call ended
	}
	switch {
	case k.connectedAt.IsZero():
		return dialer.APICancelled, "" // hung up while it rang
	case reason == dialer.Error:
		return reason, orElse(k.message, "the agent failed")
	case reason != "":
		return reason, ""
	case k.duration >= f.dialer.timeLimit(f.attempt.call)-time.Second:
		return dialer.MaxDuration, ""
	case f.isMissed(k) && !k.isCalled:
		f.dialer.log.Error("twilio: a call was answered, and Twilio did not reach the public URL", "call", f.attempt.call.ID)
		return dialer.Error, "the call was answered, and neither its callbacks nor its stream came: " +
			"Twilio does not reach the public URL"
	case f.isMissed(k) && k.duration >= missedStream:
		return dialer.Error, "the call was answered, and its stream to the agent never began"
	}
	return dialer.ClientHangup, ""
}

// isMissed says that no stream has come of a call that should have had one here.
func (f *follower) isMissed(k known) bool {
	return k.stream == noStream && !f.attempt.resumed && f.dialer.config.Stream == Proxy
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
