package media

import (
	"context"
	"errors"
	"sync"
)

// ahead is how many frames may be written that are not played yet. It is as much
// as a process may be without time before the callee hears a gap.
const ahead = 10

var (
	errFull = errors.New("there is no room yet")
	errOver = errors.New("the call is over")
)

// playout is what the agent has written and the callee has not heard. It is safe for
// concurrent use.
type playout struct {
	mu     sync.Mutex
	queue  [ahead]played // a ring
	first  int
	length int
	clears int           // how often it was cleared
	room   chan struct{} // has a token when a writer may look again
}

// played is a frame and the marks that follow it.
type played struct {
	frame Frame
	marks []func()
}

func newPlayout() *playout { return &playout{room: make(chan struct{}, 1)} }

// write waits for room, or until ctx or the leg is over.
func (p *playout) write(ctx context.Context, over <-chan struct{}, f *Frame) error {
	clears, err := p.offer(f, -1)
	for errors.Is(err, errFull) {
		select {
		case <-p.room:
			_, err = p.offer(f, clears)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over:
			return errOver
		}
	}
	return err
}

// offer takes the frame, unless there is no room. clears is what an earlier offer of the
// frame returned, or -1: where the queue was cleared since, the frame is dropped, too.
func (p *playout) offer(f *Frame, clears int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.length == ahead {
		return p.clears, errFull
	}
	if clears < 0 || clears == p.clears {
		p.queue[(p.first+p.length)%ahead].frame = *f
		p.length++
	}
	if p.length < ahead {
		p.wake() // another writer may wait
	}
	return p.clears, nil
}

func (p *playout) wake() {
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// mark has played called now if nothing is queued.
func (p *playout) mark(played func()) {
	if !p.queued(played) {
		played()
	}
}

func (p *playout) queued(played func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.length == 0 {
		return false
	}
	last := &p.queue[(p.first+p.length-1)%ahead]
	last.marks = append(last.marks, played)
	return true
}

// next takes out the frame to play, and what is to be called once it is.
func (p *playout) next(f *Frame) (marks []func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.length == 0 {
		return nil, false
	}
	next := &p.queue[p.first]
	*f, marks = next.frame, next.marks
	next.marks = nil
	p.first = (p.first + 1) % ahead
	p.length--
	if p.length <= ahead/2 { // so that a writer is woken once for several frames
		p.wake()
	}
	return marks, true
}

// clear drops everything and calls the marks, in order.
func (p *playout) clear() {
	for _, played := range p.drop() {
		played()
	}
}

func (p *playout) drop() (marks []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.length > 0; p.length-- {
		next := &p.queue[p.first]
		marks = append(marks, next.marks...)
		next.marks = nil
		p.first = (p.first + 1) % ahead
	}
	p.clears++
	p.wake()
	return marks
}
