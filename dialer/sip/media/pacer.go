package media

import (
	"sync"
	"time"
)

const (
	slots    = 4
	slotTime = FrameTime / slots

	// maxBehind is how much of what was missed, while the process got no time, is sent at
	// once when it does. What is beyond that is left out: a peer's jitter buffer would
	// drop it.
	maxBehind = 5 * FrameTime
)

// paced is what a pacer drives.
type paced interface {
	// tick is called once a frame; skipped is how many were left out before it. It must
	// not block, nor join or leave.
	tick(skipped int)
}

// pacer drives all sessions of a handler from one goroutine, which runs while there is one.
// The moments are multiples of the frame from the beginning, so nothing adds up. Sessions
// are spread over the frame, so that not all packets leave at once. It costs one timer whatever
// the number of calls, and nobody waits for anybody's timer to be served.
type pacer struct {
	mu     sync.Mutex
	slots  [slots]map[paced]int // what a member has seen of skipped
	loop   *pacing              // nil: nobody is paced
	behind int                  // frames skipped since loop began
}

// pacing is one run of the goroutine.
type pacing struct {
	stop chan struct{}
	over chan struct{}
}

// join has p ticked from the next slot that is its own on.
func (p *pacer) join(member paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := 0
	for i, slot := range p.slots {
		if len(slot) < len(p.slots[least]) {
			least = i
		}
	}
	if p.slots[least] == nil {
		p.slots[least] = make(map[paced]int)
	}
	p.slots[least][member] = p.behind
	if p.loop == nil {
		p.loop = &pacing{stop: make(chan struct{}), over: make(chan struct{})}
		go p.run(p.loop, time.Now())
	}
}

// leave returns when the member is not ticked any more. The last one to leave waits for the
// goroutine to end.
func (p *pacer) leave(member paced) {
	if ended := p.remove(member); ended != nil {
		close(ended.stop)
		<-ended.over
	}
}

// remove returns the pacing that has nobody left.
func (p *pacer) remove(member paced) (ended *pacing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := 0
	for _, slot := range p.slots {
		delete(slot, member)
		left += len(slot)
	}
	if left > 0 {
		return nil
	}
	ended, p.loop = p.loop, nil
	return ended
}

func (p *pacer) run(loop *pacing, began time.Time) {
	defer close(loop.over)
	timer := time.NewTimer(slotTime)
	defer timer.Stop()
	for n := 1; ; n++ {
		due := began.Add(time.Duration(n) * slotTime)
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-loop.stop:
			return
		}
		if late := time.Since(due); late > maxBehind {
			lost := int(late / FrameTime)
			p.skip(lost)
			n += lost * slots
		}
		p.tick(loop, n%slots)
	}
}

func (p *pacer) skip(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind += n
}

func (p *pacer) tick(loop *pacing, slot int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loop != loop {
		return // all have left, and perhaps others came, who have a goroutine of their own
	}
	for member, seen := range p.slots[slot] {
		member.tick(p.behind - seen)
		if seen != p.behind {
			p.slots[slot][member] = p.behind
		}
	}
}
