package fake

import (
	"time"

	"github.com/outdial/outdial/dialer"
)

// lots are the random numbers of one attempt. They depend on the seed, the number dialled
// and the attempt alone, so no order of calls changes what becomes of any of them.
type lots uint64

func newLots(seed uint64, number dialer.Phone, attempt int) lots {
	const fnvPrime = 0x100000001b3
	h := lots(seed)
	h.next() // spreads seeds that lie close together
	for i := range len(number) {
		h = (h ^ lots(number[i])) * fnvPrime
	}
	return h ^ lots(attempt)<<32 //nolint:gosec // any bits will do
}

// next is one step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), scaled to 0 ≤ x < 1.
//
//nolint:mnd // the constants are the algorithm
func (l *lots) next() float64 {
	*l += 0x9e3779b97f4a7c15
	z := uint64(*l)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	const bits = 53 // of a float64's mantissa
	return float64(z>>(64-bits)) / (1 << bits)
}

// spread returns between half and one and a half times the mean.
func (l *lots) spread(mean time.Duration) time.Duration {
	const least = 0.5
	return time.Duration(float64(mean) * (least + l.next()))
}

// draw returns what becomes of an attempt that no script is for, and whether the
// carrier turns it away the first time.
func (c Config) draw(number dialer.Phone, attempt int) (Behaviour, bool) {
	l := newLots(c.Seed, number, attempt)
	b := c.drawEnd(&l)
	once := l.next() < c.Unavailable
	return b, once
}

func (c Config) drawEnd(l *lots) Behaviour {
	x, agentFirst := l.next(), l.next() < 0.5 //nolint:mnd // as often as not
	b := Behaviour{Ring: l.spread(c.Ring), Talk: l.spread(c.Talk)}
	s := c.Shares
	switch {
	case x < s.Answer && agentFirst:
		b.End = dialer.AgentHangup
	case x < s.Answer:
		b.End = dialer.ClientHangup
	case x < s.Answer+s.Busy:
		b.End = dialer.DialBusy
	case x < s.Answer+s.Busy+s.Failed:
		b.End = dialer.DialFailed
	case x < s.Answer+s.Busy+s.Failed+s.Refused:
		b.Fault = Refuse
	default:
		b.End = dialer.DialNoAnswer
		if c.Ring > 0 {
			b.Ring = Forever
		}
	}
	return b
}
