package twilio

import (
	"errors"
	"net/mail"
	"strconv"
	"time"

	rest "github.com/twilio/twilio-go/rest/api/v2010"
)

var errNoSID = errors.New("the answer has no call in it")

// record is a call as Twilio's API shows it. What it leaves open is zero.
type record struct {
	sid, from, to, direction string

	status               string
	created              time.Time
	dialled              time.Time // zero: it was not, yet
	ended                time.Time
	duration             time.Duration // -1: not known
	answeredBy, queuedMS string
}

func recordOf(c *rest.ApiV2010Call) record {
	return record{
		sid: text(c.Sid), from: text(c.From), to: text(c.To), direction: text(c.Direction),
		status:  text(c.Status),
		created: stamp(c.DateCreated), dialled: stamp(c.StartTime), ended: stamp(c.EndTime),
		duration:   seconds(text(c.Duration)),
		answeredBy: text(c.AnsweredBy), queuedMS: text(c.QueueTime),
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// stamp reads a date as Twilio writes it, by RFC 2822, in whatever time zone.
func stamp(s *string) time.Time {
	t, err := mail.ParseDate(text(s))
	if err != nil {
		return time.Time{}
	}
	return t
}

// seconds reads a duration as Twilio writes it; -1: not known.
func seconds(s string) time.Duration {
	const most = 48 * 60 * 60 // twice the longest call that there is
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return -1
	}
	return time.Duration(n) * time.Second
}
