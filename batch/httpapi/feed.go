package httpapi

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/batch"
)

// topic is what somebody listens to: a batch, or all of an organisation where batch is empty.
type topic struct{ org, batch string }

// feeds lets all listeners to a topic share what is read for one of them. It is read and
// written out as text once, by the cursor that it follows. A chunk that was read a while ago is as
// good as a new one: what has changed since has a higher cursor, and comes with the next.
// So listeners that are at the same place stay together, and one that fell behind or comes
// back reads for itself until it has caught up.
type feeds struct {
	read func(ctx context.Context, t topic, after int64) ([]batch.Change, error)

	mu     sync.Mutex
	open   map[topic]*feed
	pacers map[string]*pacer // by organisation, while somebody of it listens
}

// feed is what is known of a topic while somebody listens to it.
type feed struct {
	listeners int
	chunks    map[int64]*chunk // by the cursor that they follow
	order     []int64          // of chunks, oldest first
	head      int64            // the furthest that was read
	readAt    time.Time        // when
}

// chunk is some changes as they are sent.
type chunk struct {
	done    chan struct{} // closed when the rest can be read
	text    []byte
	next    int64 // the cursor after it
	err     error
	waiting int // listeners; without any, reading it is given up; guarded by feeds.mu
	cancel  context.CancelFunc
}

// keptChunks bounds what a feed keeps for those who are a little behind.
const keptChunks = 8

func newFeeds(read func(context.Context, topic, int64) ([]batch.Change, error)) *feeds {
	return &feeds{read: read, open: map[topic]*feed{}, pacers: map[string]*pacer{}}
}

// join counts a listener in until leave is called.
func (f *feeds) join(t topic) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[t] == nil {
		f.open[t] = &feed{chunks: map[int64]*chunk{}}
	}
	f.open[t].listeners++
	if f.pacers[t.org] == nil {
		f.pacers[t.org] = &pacer{}
	}
	f.pacers[t.org].listeners++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open[t].listeners--; f.open[t].listeners == 0 {
			delete(f.open, t)
		}
		if f.pacers[t.org].listeners--; f.pacers[t.org].listeners == 0 {
			delete(f.pacers, t.org)
		}
	}
}

// chunk returns the chunk that follows a cursor, which somebody who joined waits for. ok is false
// where ctx ended or wake rang first.
func (f *feeds) chunk(ctx context.Context, t topic, after int64, wake <-chan time.Time) (p *chunk, ok bool) {
	p = f.wait(ctx, t, after)
	defer f.stopWaiting(t, after, p)
	select {
	case <-p.done:
		return p, true
	case <-wake:
	case <-ctx.Done():
	}
	return nil, false
}

// wait finds the chunk or begins to read it.
func (f *feeds) wait(ctx context.Context, t topic, after int64) *chunk {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.open[t]
	p := d.chunks[after]
	if p == nil {
		// The chunk is everybody's: it must not end with the request of who asked first.
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		p = &chunk{done: make(chan struct{}), cancel: cancel}
		d.keep(after, p)
		rest := f.pacers[t.org].rest(time.Now())
		if after >= d.head { // where everybody waits
			rest = max(rest, time.Until(d.readAt.Add(leastRest)))
		}
		go f.fill(ctx, t, after, p, rest) // ends with the last who waits, at the latest
	}
	p.waiting++
	return p
}

// stopWaiting gives up reading a chunk for which nobody waits any more.
func (f *feeds) stopWaiting(t topic, after int64, p *chunk) {
	f.mu.Lock()
	p.waiting--
	unwanted := p.waiting == 0 && !p.isDone()
	if unwanted {
		f.open[t].drop(after, p) // who comes now has it read anew
		p.cancel()
	}
	f.mu.Unlock()
	if unwanted {
		<-p.done
	}
}

func (p *chunk) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// keep adds a chunk, and forgets the oldest for which nobody waits.
func (d *feed) keep(after int64, p *chunk) {
	d.chunks[after] = p
	d.order = append(d.order, after)
	for i := 0; len(d.order) > keptChunks && i < len(d.order)-1; {
		if old := d.chunks[d.order[i]]; old.isDone() {
			d.drop(d.order[i], old)
		} else {
			i++
		}
	}
}

// drop forgets a chunk, unless another one has taken its place.
func (d *feed) drop(after int64, p *chunk) {
	if d.chunks[after] != p {
		return
	}
	delete(d.chunks, after)
	d.order = slices.DeleteFunc(d.order, func(at int64) bool { return at == after })
}

// fill reads a chunk, after a rest.
func (f *feeds) fill(ctx context.Context, t topic, after int64, p *chunk, rest time.Duration) {
	defer p.cancel()
	if rest > 0 {
		pause(ctx, rest)
	}
	changes, err := f.read(ctx, t, after)
	begun := time.Now() // the reading itself has been waiting for something to happen
	p.err, p.next = err, after
	most := f.most(t)
	for _, c := range changes {
		if len(p.text) >= most {
			break // the rest comes with the next
		}
		p.text = appendChange(p.text, c)
		p.next = c.Cursor
	}
	f.charge(t, costOfReading+time.Since(begun))
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.open[t]; d != nil && d.chunks[after] == p {
		if p.next >= d.head {
			d.head, d.readAt = p.next, time.Now()
		}
		if err != nil {
			d.drop(after, p) // the next who asks has it tried again
		}
	}
	close(p.done)
}

// most is how many bytes a chunk may have: the more listen, the less at once, or sending it to
// all of them would take the processors for as long as a call rings.
func (f *feeds) most(t topic) int {
	const (
		together = 4 << 20
		least    = 4 << 10
	)
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.open[t]; d != nil && d.listeners > 0 {
		return max(together/d.listeners, least)
	}
	return least
}

// pacer keeps what events cost to a small share of the processors, so that a thousand listeners
// do not slow the dialling: after work it has them rest for a multiple of it. Nothing
// is lost meanwhile, since what changes twice in between is told once. Each organisation
// has one, so that its listeners, however many, make nobody's events late but its own.
type pacer struct {
	listeners int
	until     time.Time
}

const (
	// leastRest is how often a listener hears of changes at most.
	leastRest = 50 * time.Millisecond

	// restForWork leaves events about 5 % of one processor: the listeners' own end of the
	// work may be on the same machine.
	restForWork = 20

	// costOfReading is about what the store does for a chunk.
	costOfReading = 100 * time.Microsecond

	// mostWork is what one write to a listener, or one chunk, is taken to cost at most. A write
	// that takes longer waits for the listener, and costs nothing.
	mostWork = 500 * time.Microsecond

	// mostRest bounds how late an event can be.
	mostRest = 5 * time.Second
)

// rest is how long to wait now for what was charged.
func (p *pacer) rest(now time.Time) time.Duration { return min(p.until.Sub(now), mostRest) }

// charge has the next reads of the organisation wait for work that was done. The organisations
// that listen share what there is.
func (f *feeds) charge(t topic, work time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pacers[t.org]
	if p == nil {
		return // nobody listens any more
	}
	now := time.Now()
	if p.until.Before(now) {
		p.until = now
	}
	p.until = p.until.Add(min(work, mostWork) * restForWork * time.Duration(len(f.pacers)))
	if latest := now.Add(mostRest); p.until.After(latest) {
		p.until = latest
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
