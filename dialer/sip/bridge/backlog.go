package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer/sip/media"
)

// markCost is what a mark counts for in the backlog, beside its name.
const markCost = 64

// backlog is what the agent has sent and the leg has not taken yet. It is safe for
// concurrent use by one reader and one writer.
type backlog struct {
	limit int // bytes

	mu      sync.Mutex
	items   []item
	size    int
	arrived chan struct{} // has a token when the reader may look again
	isLast  bool          // nothing more will come
	clears  int           // how often it was cleared
}

// item is audio or a mark.
type item struct {
	audio  []byte
	mark   string
	isMark bool
}

func (i item) size() int {
	if i.isMark {
		return markCost + len(i.mark)
	}
	return len(i.audio)
}

func newBacklog(limit time.Duration) *backlog {
	return &backlog{
		limit:   int(limit.Seconds() * media.SampleRate), // a byte is a sample
		arrived: make(chan struct{}, 1),
	}
}

// add takes what the agent sent, unless it is too much.
func (b *backlog) add(i item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size+i.size() > b.limit {
		return fmt.Errorf("the agent sent more than %v of audio ahead",
			time.Duration(b.limit)*time.Second/media.SampleRate)
	}
	if i.isMark || len(i.audio) > 0 {
		b.items = append(b.items, i)
		b.size += i.size()
		b.wake()
	}
	return nil
}

func (b *backlog) wake() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// end says that nothing more will come.
func (b *backlog) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isLast = true
	b.wake()
}

// clear drops everything and returns the names of the marks in it.
func (b *backlog) clear() (marks []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.items {
		if i.isMark {
			marks = append(marks, i.mark)
		}
	}
	b.items, b.size = nil, 0
	b.clears++
	return marks
}

// next is what the reader is to do.
type next struct {
	audio  []byte // to play, at most a frame
	mark   string // to return
	isMark bool
	wait   bool // there is nothing yet
	isPart bool // but for less than a frame
	isLast bool // there will be nothing
	clears int  // how often the backlog had been cleared when it was taken
}

// take takes out audio for a frame, or a mark. Where there is less audio than for a frame and
// nothing after it, the rest of the frame may be on its way: unless isDry, it is waited for.
func (b *backlog) take(frame []byte, isDry bool) next {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		return next{wait: true, isLast: b.isLast}
	}
	if first := b.items[0]; first.isMark {
		b.pop()
		return next{mark: first.mark, isMark: true}
	}
	if !isDry && !b.isLast && !b.hasFrame(len(frame)) {
		return next{wait: true, isPart: true}
	}
	return next{audio: b.cut(frame), clears: b.clears}
}

// isStale says whether the backlog was cleared after that was taken out of it.
func (b *backlog) isStale(n next) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clears != n.clears
}

// hasFrame says whether there is all of a frame, or all that there is before a mark.
func (b *backlog) hasFrame(size int) bool {
	found := 0
	for _, i := range b.items {
		if found += len(i.audio); i.isMark || found >= size {
			return true
		}
	}
	return false
}

func (b *backlog) cut(frame []byte) []byte {
	n := 0
	for n < len(frame) && len(b.items) > 0 && !b.items[0].isMark {
		first := &b.items[0]
		copied := copy(frame[n:], first.audio)
		first.audio = first.audio[copied:]
		n += copied
		b.size -= copied
		if len(first.audio) == 0 {
			b.pop()
		}
	}
	return frame[:n]
}

func (b *backlog) pop() {
	b.size -= b.items[0].size()
	b.items[0] = item{} // or the array keeps the audio
	b.items = b.items[1:]
	if len(b.items) == 0 {
		b.items = nil
	}
}

// wait returns when there may be something, or when dry is closed, which may be nil.
func (b *backlog) wait(ctx context.Context, dry <-chan struct{}) (isDry bool, err error) {
	select {
	case <-b.arrived:
		return false, nil
	case <-dry:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
