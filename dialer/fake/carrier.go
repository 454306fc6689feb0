package fake

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Carrier places calls in memory. It is safe for concurrent use. Make it with [New], inside the
// bubble if it is used in one, and close it.
type Carrier struct {
	config Config
	closed chan struct{}
	late   sync.WaitGroup // reports that come after Dial returned

	// mu guards everything below and the lines. It is never held while
	// something is waited for but the writing of a line of the books file.
	mu        sync.Mutex
	scripts   map[dialer.Phone]*script
	restUntil time.Time
	turned    *recent[turnedAway, struct{}]
	lines     map[*line]struct{}     // the live calls
	byID      map[string]*line       // the live calls that can be resumed
	over      *recent[string, *line] // calls that are over and can still be asked for
	ledger    *ledger
	isClosed  bool
}

// turnedAway is an attempt that was turned away once and is taken from then on.
type turnedAway struct {
	number  dialer.Phone
	attempt int
}

// New makes a carrier. It returns an error for a field of the config that cannot be, or if
// the books file cannot be opened.
func New(config Config) (*Carrier, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	ledger, err := newLedger(config)
	if err != nil {
		return nil, err
	}
	return &Carrier{
		config:  config,
		closed:  make(chan struct{}),
		scripts: map[dialer.Phone]*script{},
		turned:  newRecent[turnedAway, struct{}](defaultRemember),
		lines:   map[*line]struct{}{},
		byID:    map[string]*line{},
		over:    newRecent[string, *line](max(config.Remember, 0)),
		ledger:  ledger,
	}, nil
}

// Script says what becomes of calls to a number: the first behaviour is for attempt 1, the
// second for attempt 2 and so on, and the last one is for all further attempts. No
// behaviour: they are drawn again. It applies to calls that are placed from now on.
func (c *Carrier) Script(number dialer.Phone, attempts ...Behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(attempts) == 0 {
		delete(c.scripts, number)
		return
	}
	c.scripts[number] = &script{attempts: slices.Clone(attempts), first: map[int]time.Time{}}
}

// Rest makes the carrier turn every call away with an UnavailableError for a time, from now
// on. Calls that it has are not touched. Speed does not divide it. Zero ends the rest.
func (c *Carrier) Rest(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restUntil = time.Now().Add(min(d, 100*365*24*time.Hour)) // Forever would overflow
}

// Mark writes a mark into the books, for [Books.PlacedAfter]: say, that the cancel of a
// batch has returned.
func (c *Carrier) Mark(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger.add(Entry{Event: Marked, At: time.Now(), Mark: name}) //nolint:errcheck,gosec // kept for Close
}

// Live returns how many calls there are now.
func (c *Carrier) Live() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lines)
}

// Books returns what happened so far. It is empty unless Config.Books is set.
func (c *Carrier) Books() Books {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Books{Entries: slices.Clone(c.ledger.entries)}
}

// Close ends every call, those included that hang or are followed by nobody, and waits for the
// reports that are late. Calls that had connected end with ClientDisconnected, others
// with DialFailed; new ones are refused. It returns the first error in writing the books
// file. More than one Close does no harm.
func (c *Carrier) Close() error {
	err := c.closeLines()
	c.late.Wait()
	return err
}

func (c *Carrier) closeLines() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return c.ledger.err
	}
	c.isClosed = true
	close(c.closed)
	now := time.Now()
	for _, l := range c.liveInOrder() {
		l.disconnect(now)
	}
	return errors.Join(c.ledger.err, c.ledger.close())
}

// liveInOrder makes the books of a closed carrier the same each time.
func (c *Carrier) liveInOrder() []*line {
	live := make([]*line, 0, len(c.lines))
	for l := range c.lines {
		live = append(live, l)
	}
	slices.SortFunc(live, func(a, b *line) int { return cmp.Compare(a.about.Call, b.about.Call) })
	return live
}
