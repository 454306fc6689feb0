package postgres

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/fsm"
)

// orgKey is what an organisation's id is in every key: half of the width of a digest, known without
// asking. Two organisations whose keys collide are told apart by the id in the organisation's row:
// the second one cannot create a batch and finds nothing.
func orgKey(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

var errCollision = errors.New("another organisation has the same key, by a rare accident: take another id")

// ofOrg is an organisation's key where its row is there and has the id: $1 and $2 of a query that reads.
const ofOrg = "(SELECT o.org FROM outdial.organisations o WHERE o.org = $1 AND o.id = $2)"

// org is an organisation inside a write: its row, changed in memory until save.
type org struct {
	key      int64
	rev      int64
	queued   int64
	inFlight int
	batches  int32
	server   time.Time // when the server started that has said this
	known    bool      // it has a row
	was      counts    // as its row has it
}

// counts are what a step changes of an organisation.
type counts struct {
	rev, queued int64
	inFlight    int
}

func (o *org) counts() counts { return counts{o.rev, o.queued, o.inFlight} }

const (
	makeOrg = `INSERT INTO outdial.organisations (org, rev, queued, in_flight, batches, active, id)
		VALUES ($1, 0, 0, 0, 0, false, $2) ON CONFLICT (org) DO NOTHING`
	lockOrg = `SELECT rev, queued, in_flight, batches, pg_postmaster_start_time() FROM outdial.organisations
		WHERE org = $1 AND id = $2 FOR NO KEY UPDATE`
	saveOrg = `UPDATE outdial.organisations SET rev = $2, queued = $3, in_flight = $4, batches = $5, active = $6
		WHERE org = $1`
)

// lock has the organisation's row locked and read. Every writer does so first, and waits for the
// one before; what is asked behind it in the same trip sees all that it has written.
func (t *trip) lock(id string) *org {
	o := &org{key: orgKey(id)}
	t.find(&o.known, lockOrg, []any{o.key, raw(id)}, []any{
		&o.rev, &o.queued, &o.inFlight, &o.batches, (*instant)(&o.server),
	})
	return o
}

func (o *org) save(t *trip) {
	t.ask(saveOrg, o.key, o.rev, o.queued, o.inFlight, o.batches, o.queued+int64(o.inFlight) > 0)
}

// next gives out a revision.
func (o *org) next() int64 {
	o.rev++
	return o.rev
}

// move counts n recipients of a batch that went from one status to another.
func (o *org) move(b *batch, from, to fsm.RecipientStatus, n int) {
	b.Counts.Add(from, -n)
	b.Counts.Add(to, n)
	o.add(from, -n)
	o.add(to, n)
}

func (o *org) add(s fsm.RecipientStatus, n int) {
	switch {
	case s == fsm.Queued:
		o.queued += int64(n)
	case s.InFlight():
		o.inFlight += n
	}
}

func (o *org) check(id string) error {
	if !o.known {
		return fmt.Errorf("organisation %s: %w", id, errCollision)
	}
	return nil
}
