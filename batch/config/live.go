package config

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
)

var _ batch.Directory = (*Live)(nil)

// ErrClosed is returned by Live.Reload after Close.
var ErrClosed = errors.New("config: it is closed")

// Live is a directory whose file can be read again while an engine uses it. Make one with [Open]. It is
// safe for concurrent use.
type Live struct {
	path    string
	lookup  func(string) (string, bool)
	current atomic.Pointer[Config]

	turn     sync.Mutex     // held by whoever reloads or closes
	isClosed bool           // guarded by turn
	closing  chan struct{}  // closed by Close
	retiring sync.WaitGroup // those who wait to close what was replaced

	mu      sync.Mutex
	leaving map[string][]dialer.Dialer // what each name stood for and is not closed yet, the latest first
	errs    []error                    // of closing those
}

// Open reads the file at path as [Load] does, so that it can be read again.
func Open(path string) (*Live, error) { return openLive(path, os.LookupEnv) }

func openLive(path string, lookup func(string) (string, bool)) (*Live, error) {
	l := &Live{path: path, lookup: lookup, closing: make(chan struct{}), leaving: map[string][]dialer.Dialer{}}
	c, err := l.read(nil)
	if err != nil {
		return nil, err
	}
	l.current.Store(c)
	return l, nil
}

func (l *Live) read(before *Config) (*Config, error) {
	text, err := read(l.path)
	if err != nil {
		return nil, err
	}
	return parseKeeping(l.path, text, l.lookup, before)
}

// Config returns what the file said when it was last read without a mistake. It does not change; its
// carriers are closed by Live, so it is not to be closed.
func (l *Live) Config() *Config { return l.current.Load() }

// Dialers returns the carriers by name, as they are now.
func (l *Live) Dialers() map[string]dialer.Dialer { return l.Config().Dialers() }

// Carrier returns what a name stands for, and then what it stood for before and may still have calls: the latest
// first. It is for what comes from outside under that name.
func (l *Live) Carrier(name string) []dialer.Dialer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []dialer.Dialer
	if own, ok := l.Config().carriers[name]; ok {
		all = append(all, own.Dialer)
	}
	return append(all, l.leaving[name]...)
}

// Leaving returns the dialers that were replaced or taken away and are not closed yet.
func (l *Live) Leaving() []dialer.Dialer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []dialer.Dialer
	for _, name := range slices.Sorted(maps.Keys(l.leaving)) {
		all = append(all, l.leaving[name]...)
	}
	return all
}

// Lingerer is a dialer to whose process its carrier may send what is about calls of other processes, to be passed on.
// One that was replaced or taken away is kept open for as long after the last call that this process had over it; Close
// does not wait for that.
type Lingerer interface {
	// Linger is how long the longest call may last, with all that may come after it.
	Linger() time.Duration
}

// Replacer is a dialer that can take over what its carrier still has to tell about the calls of another
// one: Reload calls Replaces where a carrier is replaced, before the new one is used, and where its name
// comes back while calls go on of what it stood for before. The old one follows its calls to their end, and is
// closed after that; what comes for them to the new one, such as a callback to an address that both have, is to be
// handed on to it. If the old one is no Replacer, Replaces is called again, with what the name stood for before that.
type Replacer interface {
	Replaces(old dialer.Dialer)
}

// Reload reads the file again, with the environment as it is then. If there is a mistake, or set returns an
// error, nothing has changed, and the error says why: an *[InvalidError] lists every mistake.
//
// A carrier of which the file says the same as before, its URL and its guard with what the environment has
// for them, stays the same dialer. The others are opened while the old ones still have their calls. A local port that
// both listen at is shared by two of SIP, where it is written alike. set is then given all of them, as
// [batch.Engine.SetDialers] takes them, and the channel that it returns tells when those that are not among them any
// more may be closed. That is done in the background; a [Lingerer] is kept open for longer.
//
// One Reload happens at a time; after Close it is ErrClosed.
func (l *Live) Reload(set func(map[string]dialer.Dialer) (retired <-chan struct{}, err error)) (Changes, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.isClosed {
		return Changes{}, ErrClosed
	}
	before := l.Config()
	now, err := l.read(before)
	if err != nil {
		return Changes{}, err
	}
	fresh := now.notIn(before)
	for name, own := range fresh {
		tell(own.Dialer, l.Carrier(name))
	}
	gone := before.notIn(now)
	l.change(now, gone)
	retired, err := set(now.Dialers())
	if err != nil {
		l.current.Store(before)
		l.left(gone, nil)
		return Changes{}, errors.Join(err, closeAll(fresh))
	}
	for name, own := range gone {
		l.retire(name, own, retired)
	}
	return changes(before, now), nil
}

// tell tells a dialer whom it replaces, if it is one that wants to know. The latest that is one too has been told of
// those before it. Another kind has not, so the dialer learns from here of what came before that.
func tell(fresh dialer.Dialer, old []dialer.Dialer) {
	r, ok := dialer.As[Replacer](fresh)
	if !ok {
		return
	}
	for _, d := range old {
		r.Replaces(d)
		if _, ok := dialer.As[Replacer](d); ok {
			return
		}
	}
}

// change makes now the present. It comes before the engine has the dialers: a number may name a carrier that is not
// there yet, for which its calls wait, but none that is not there any more, for which they would not.
func (l *Live) change(now *Config, gone map[string]carrier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.Store(now)
	for name, own := range gone {
		l.leaving[name] = slices.Insert(l.leaving[name], 0, own.Dialer)
	}
}

// retire has a carrier closed when nobody uses it any more, here or elsewhere.
func (l *Live) retire(name string, own carrier, retired <-chan struct{}) {
	l.retiring.Go(func() {
		select {
		case <-retired:
			own.retire()
			l.linger(own)
		case <-l.closing: // no engine uses any of them, as Close asks for
		}
		gone := map[string]carrier{name: own}
		l.left(gone, closeAll(gone))
	})
}

// linger returns when nothing may come any more for calls of the carrier that other processes have.
func (l *Live) linger(own carrier) {
	d, ok := dialer.As[Lingerer](own.Dialer)
	if !ok {
		return
	}
	timer := time.NewTimer(d.Linger())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closing:
	}
}

// left notes that carriers are closed.
func (l *Live) left(gone map[string]carrier, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, own := range gone {
		l.leaving[name] = slices.DeleteFunc(l.leaving[name], func(d dialer.Dialer) bool { return d == own.Dialer })
		if len(l.leaving[name]) == 0 {
			delete(l.leaving, name)
		}
	}
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

// Close closes all carriers, those too that were replaced and are not closed yet. Call it when no
// engine uses them. The error has what went wrong in closing those that were replaced, too. More than one Close
// does no harm.
func (l *Live) Close() error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.isClosed {
		return nil
	}
	l.isClosed = true
	close(l.closing)
	l.retiring.Wait()
	return errors.Join(append(slices.Clone(l.errs), l.Config().Close())...)
}

// Organisation implements batch.Directory.
func (l *Live) Organisation(ctx context.Context, org string) (batch.Organisation, error) {
	return l.Config().Organisation(ctx, org)
}

// Agent implements batch.Directory.
func (l *Live) Agent(ctx context.Context, org, id string) (dialer.Agent, error) {
	return l.Config().Agent(ctx, org, id)
}

// Number implements batch.Directory.
func (l *Live) Number(ctx context.Context, org, id string) (batch.Number, error) {
	return l.Config().Number(ctx, org, id)
}

// APIKeys returns the organisation that each API key belongs to, as [Config.APIKeys] does.
func (l *Live) APIKeys() map[[32]byte]string { return maps.Clone(l.Config().keys) }
