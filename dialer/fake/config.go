package fake

import (
	"fmt"
	"math"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Forever is a time that does not pass. It is for [Behaviour].
const Forever = time.Duration(math.MaxInt64)

const (
	defaultRemember = 10_000
	mostSpeed       = 1_000_000
)

// Config says what a [Carrier] is like. The zero value is a carrier on which no time
// passes, with the default shares.
type Config struct {
	// Trunk names the carrier in its books.
	Trunk string

	// Seed is what the outcomes are drawn from. Carriers with the same seed and the
	// same shares end the same attempts in the same way.
	Seed uint64

	// Shares is how calls end. Zero: 0.62 answered, 0.25 not answered, 0.08 busy
	// and 0.05 failed, roughly what an unannounced call to a mobile number meets.
	Shares Shares

	// Unavailable is the share of attempts, from 0 to 1, that the carrier turns away
	// with an UnavailableError the first time, and takes the next time.
	Unavailable float64

	// Ring is how long a phone rings before it is answered, and how long the network
	// takes to find that a number is busy or cannot be reached; Talk is how long an
	// answered call lasts. Both are means: a call's own is drawn between half and one and
	// a half times. Zero: no time passes. With Ring zero a call that nobody
	// answers is given up at once, too; else it rings as long as the caller lets it.
	Ring, Talk time.Duration

	// Speed is how many times faster than real this carrier lives: it divides every
	// duration, the RingTimeout and MaxDuration of the calls included. Zero: 1.
	Speed float64

	// Limits is what the carrier says it admits. It does not enforce it, so that
	// the books show whether the caller kept to it.
	Limits dialer.Limits

	// Books keeps an entry of everything that happens, for [Carrier.Books]. The entries
	// are kept until the carrier is gone: set it in tests, not in a server.
	Books bool

	// BooksFile is a file to which every entry is appended too, as one line of JSON
	// in one write, before the caller hears of what it says. So the file tells what happened
	// after the process was killed, and processes may share it. It is read with
	// [ReadBooks]. Empty: none.
	BooksFile string

	// Remember is how many calls that are over the carrier still knows, for Resume:
	// the latest. Zero: 10,000. Negative: none.
	Remember int

	// Observe is told every entry, in order, while the carrier is locked: it must be
	// quick and must not call the carrier. Nil: nobody is told.
	Observe func(Entry)
}

// Shares is how many calls end in which way, each from 0 to 1, together at most 1. What
// is left is added to NoAnswer.
type Shares struct {
	Answer   float64 // ended by the agent as often as by the callee
	Busy     float64
	NoAnswer float64
	Failed   float64 // the network cannot reach the number
	Refused  float64 // the carrier refuses to place the call: ErrNotPlaced
}

func defaultShares() Shares {
	//nolint:mnd // named by their fields
	return Shares{Answer: 0.62, NoAnswer: 0.25, Busy: 0.08, Failed: 0.05}
}

// withDefaults fills in what was left zero, or says which field cannot be.
func (c Config) withDefaults() (Config, error) {
	if c.Shares == (Shares{}) {
		c.Shares = defaultShares()
	}
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.Remember == 0 {
		c.Remember = defaultRemember
	}
	return c, c.check()
}

func (c Config) check() error {
	if err := c.Shares.check(); err != nil {
		return err
	}
	switch {
	case !isShare(c.Unavailable):
		return fmt.Errorf("fake: unavailable is %g: expected a share from 0 to 1", c.Unavailable)
	case c.Ring < 0 || c.Talk < 0:
		return fmt.Errorf("fake: ring is %v and talk is %v: expected no negative time", c.Ring, c.Talk)
	case !(c.Speed > 0 && c.Speed <= mostSpeed):
		return fmt.Errorf("fake: speed is %g: expected more than 0 and at most %d", c.Speed, mostSpeed)
	}
	return nil
}

func (s Shares) check() error {
	sum := 0.0
	for _, share := range []struct {
		name string
		is   float64
	}{
		{"answer", s.Answer},
		{"busy", s.Busy},
		{"no_answer", s.NoAnswer},
		{"failed", s.Failed},
		{"refused", s.Refused},
	} {
		if !isShare(share.is) {
			return fmt.Errorf("fake: %s is %g: expected a share from 0 to 1", share.name, share.is)
		}
		sum += share.is
	}
	const rounding = 1e-9 // 0.62+0.25+0.08+0.05 is not quite 1
	if sum > 1+rounding {
		return fmt.Errorf("fake: answer=%g, busy=%g, no_answer=%g, failed=%g and refused=%g "+
			"are together %g: expected at most 1", s.Answer, s.Busy, s.NoAnswer, s.Failed, s.Refused, sum)
	}
	return nil
}

// isShare refuses NaN, too.
func isShare(f float64) bool { return f >= 0 && f <= 1 }

// faster is how long a time takes on this carrier.
func (c Config) faster(d time.Duration) time.Duration {
	if d == Forever || c.Speed == 1 {
		return d
	}
	const longest = Forever / 2 // a slow carrier's time must not overflow
	return time.Duration(min(float64(d)/c.Speed, float64(longest)))
}
