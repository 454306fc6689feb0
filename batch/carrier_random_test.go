package batch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// carrierPlay does to a carrier by chance what organisations and their calls do.
type carrierPlay struct {
	rng   *rand.Rand
	c     *carrier
	now   time.Time
	seats []playSeat
	calls []playCall
}

type playSeat struct {
	*counted

	units int
	from  dialer.Phone
}

type playCall struct {
	units int
	from  dialer.Phone
	begun time.Time
}

func newCarrierPlay(seed uint64) *carrierPlay {
	p := &carrierPlay{rng: rand.New(rand.NewPCG(seed, 1)), now: noon()}
	limits := dialer.Limits{Channels: 4}
	if p.rng.IntN(2) == 0 {
		limits.CPS = 2
	}
	p.c = newTestCarrier(limits)
	for i := range 5 {
		p.seats = append(p.seats, playSeat{newSeat(), 1 + i%3, dialer.Phone(fmt.Sprint("+", i%2))})
	}
	return p
}

// turn does one thing and says what.
func (p *carrierPlay) turn() string {
	switch p.rng.IntN(9) {
	case 0, 1, 2:
		s := p.seats[p.rng.IntN(len(p.seats))]
		if _, ok := p.c.try(&s.seat, s.from, p.now, s.units); ok {
			p.calls = append(p.calls, playCall{s.units, s.from, p.now})
		}
		return "try"
	case 3, 4:
		p.end()
		return "end"
	case 5:
		p.c.retire(&p.seats[p.rng.IntN(len(p.seats))].seat)
		return "retire"
	case 6:
		p.c.yield(&p.seats[p.rng.IntN(len(p.seats))].seat)
		return "yield"
	case 7:
		units := 1 + p.rng.IntN(2)
		if p.rng.IntN(4) == 0 {
			p.c.force(units)
			p.calls = append(p.calls, playCall{units: units})
		}
		return "force"
	}
	p.now = p.now.Add(time.Duration(p.rng.IntN(3000)) * time.Millisecond)
	return "wait"
}

func (p *carrierPlay) end() {
	if len(p.calls) == 0 {
		return
	}
	i := p.rng.IntN(len(p.calls))
	call := p.calls[i]
	p.calls = slices.Delete(p.calls, i, i+1)
	f := fateWent
	if p.rng.IntN(3) == 0 {
		f = fateTook + fate(p.rng.IntN(int(fateUnasked)))
	}
	p.c.learn(f, call.from, call.begun, p.now, complaint{})
	p.c.heard(call.begun, f == fateTook || f == fateWent)
	p.c.release(call.units)
}

// free is how many of the channels nobody has.
func (p *carrierPlay) free() (n int) {
	for p.c.channels.try(1) {
		n++
	}
	p.c.channels.sem.Release(int64(n)) // not release, which would pay a debt with them
	return n
}

// judge checks that the books agree, and that no channel is free beside somebody who waits for no more than that.
func (p *carrierPlay) judge(t *testing.T, what string) {
	t.Helper()
	kept, inUse, free := 0, 0, p.free()
	for _, s := range p.seats {
		if s.granted {
			kept += s.seat.units
		}
	}
	for _, call := range p.calls {
		inUse += call.units
	}
	require.Equal(t, kept, p.c.kept, "after %s", what)
	require.Equal(t, inUse, p.c.units, "after %s", what)
	require.Equal(t, max(p.c.most-inUse-kept, 0), free, "after %s", what)
	if len(p.c.queue) > 0 {
		require.Less(t, free, p.c.queue[0].units, "after %s", what)
	}
	require.LessOrEqual(t, p.c.breaker.probes, len(p.calls), "after %s", what)
	require.LessOrEqual(t, p.c.breaker.unheard, len(p.calls), "after %s", what)
}

func TestChannelsOfACarrierAddUp(t *testing.T) {
	for seed := range uint64(1500 / simFewer) { // one goroutine: .ci/run plays all of them without the race detector
		p := newCarrierPlay(seed)
		for range 200 {
			what := p.turn()
			p.judge(t, fmt.Sprintf("%s, seed %d", what, seed))
		}
	}
}
