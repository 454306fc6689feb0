package sip

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

var errOver = errors.New("the call is over")

// ending is how a call ended.
type ending struct {
	reason  dialer.EndReason
	message string
	because string // the Reason header of what ended it
	byPeer  bool   // there is nothing to hang up
}

// agentGone is the ending of a call whose agent hangs up while the phone rings. It is no agent_hangup, which the
// engine counts as completed, as the callee was never spoken to: for the callee the phone rang in vain.
func (c *call) agentGone() ending {
	c.details["agent_left_at"] = stamp(time.Now())
	return ending{reason: dialer.DialNoAnswer}
}

// refusal is the ending of a call that was answered with a code above 299.
func refusal(res *msg.Response, rang bool) ending {
	return ending{reason: reasonFor(res.StatusCode, rang), because: header(res, "reason"), byPeer: true}
}

// reasonFor is the table in the package comment.
func reasonFor(code int, rang bool) dialer.EndReason {
	switch code {
	case msg.StatusBusyHere, msg.StatusGlobalBusyEverywhere, msg.StatusGlobalDecline,
		607, 608: // RFC 8197: unwanted; RFC 8688: rejected as unwanted on the callee's behalf
		return dialer.DialBusy
	case msg.StatusTemporarilyUnavailable, msg.StatusRequestTerminated:
		return dialer.DialNoAnswer
	case msg.StatusRequestTimeout:
		if rang {
			return dialer.DialNoAnswer
		}
	}
	return dialer.DialFailed
}

// cancelled is the ending of a call whose context is over before it was answered.
func (c *call) cancelled(ctx context.Context) ending {
	return ending{reason: dialer.HangUpReason(ctx, false)}
}

// mediaEnding is what the return of a session's Run means.
func mediaEnding(err error) ending {
	switch {
	case err == nil:
		return ending{reason: dialer.AgentHangup}
	case errors.Is(err, media.ErrInactive):
		return ending{reason: dialer.Inactivity}
	case errors.Is(err, media.ErrDisconnected):
		return ending{reason: dialer.ClientDisconnected}
	}
	return ending{reason: dialer.Error, message: err.Error()}
}

// unusable is the ending of a call in which the media cannot use an answer to our offer.
func unusable(err error) ending {
	return ending{reason: dialer.Error, message: "the media cannot use an answer in the call: " + err.Error()}
}

// responded keeps what the last response to the INVITE said.
func (c *call) responded(res *msg.Response) {
	c.details["sip_code"] = strconv.Itoa(res.StatusCode)
	c.detail("sip_phrase", printable(res.Reason))
}

// detail keeps what is known, and forgets it where nothing is.
func (c *call) detail(key, value string) {
	if value == "" {
		delete(c.details, key)
		return
	}
	c.details[key] = value
}

func (c *call) outcome(e ending) dialer.Outcome {
	if c.at.ended.IsZero() {
		c.at.ended = time.Now()
	}
	c.detail("trunk", c.trunk)
	c.detail("sip_call_id", c.id)
	c.detail("reason", printable(e.because))
	c.detail("q850_cause", causeOf(e.because))
	for _, it := range [...]struct {
		key string
		at  time.Time
	}{
		{"invite_at", c.at.invite}, {"trying_at", c.at.trying}, {"ringing_at", c.at.ringing},
		{"answered_at", c.at.answered}, {"acked_at", c.at.acked}, {"ended_at", c.at.ended},
	} {
		if !it.at.IsZero() {
			c.details[it.key] = stamp(it.at)
		}
	}
	return dialer.Outcome{
		Reason: e.reason, RangAt: cmp.Or(c.at.ringing, c.at.seemed), ConnectedAt: c.connected, EndedAt: c.at.ended,
		Ref: c.id, Message: e.message, Details: c.details,
	}
}

// printable cuts what a peer wrote to a length that can be kept, and to valid UTF-8.
func printable(s string) string {
	const most = 256
	return validText(s[:min(len(s), most)])
}
