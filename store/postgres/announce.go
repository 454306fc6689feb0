package postgres

import (
	"context"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// PostgreSQL takes a lock of the whole database to commit a transaction that has notified. So steps do
// not: who they concern is gathered and told in one transaction for many of them, by itself. That a
// hint is lost with the process does not matter, for nobody relies on any.
const (
	announceEvery   = 20 * time.Millisecond
	announceTimeout = 2 * time.Second
)

// announcer tells other processes which organisations were changed.
type announcer struct {
	store *Store
	wake  chan struct{} // has one when there is something to tell
	quit  chan struct{}
	done  chan struct{}

	mu   sync.Mutex
	orgs map[string]bool
}

func startAnnouncer(s *Store) *announcer {
	a := &announcer{
		store: s, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		orgs: map[string]bool{},
	}
	go a.run()
	return a
}

// changed notes that an organisation was changed. It never waits.
func (a *announcer) changed(org string) {
	if a.store.noHints {
		return
	}
	a.mu.Lock()
	a.orgs[org] = true
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *announcer) stop() {
	close(a.quit)
	<-a.done
}

func (a *announcer) run() {
	defer close(a.done)
	for {
		select {
		case <-a.wake:
		case <-a.quit:
			a.tell() // what the last methods have changed
			return
		}
		a.tell()
		select { // the first is told at once, those behind it together
		case <-time.After(announceEvery):
		case <-a.quit:
		}
	}
}

func (a *announcer) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	orgs := slices.Collect(maps.Keys(a.orgs))
	clear(a.orgs)
	return orgs
}

// A payload is an organisation and, behind a blank, the token of the store that changed it, which need not listen to
// itself. The first is in hexadecimal: payloads are text, in the encoding of the database, and must have no NUL.
// Versions before that have the organisation alone, and take what has a token for somebody else's.
const notify = "SELECT pg_notify($1, v.org) FROM unnest($2::text[]) AS v (org)"

func (a *announcer) tell() {
	orgs := a.take()
	if len(orgs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()
	payloads := column(orgs, func(org string) string { return hex.EncodeToString([]byte(org)) + " " + a.store.token })
	if err := a.store.notify(ctx, payloads); err != nil {
		a.store.log.Debug("postgres: a hint was not sent", slog.Any("error", err))
	}
}

func (s *Store) channel() string { return "outdial_" + s.schema.hash() }

func (s *Store) notify(ctx context.Context, payloads []string) error {
	return s.chores.do(ctx, "", func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) error {
			t := w.begin(beginWrite)
			t.ask("SELECT set_config('synchronous_commit', 'off', true)") // there is nothing to be kept
			t.ask(notify, s.channel(), payloads)
			return w.finish(ctx, t)
		})
	})
}
