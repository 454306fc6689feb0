package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// origin is where the batch of a run comes from.
type origin uint8

const (
	isNew  origin = iota // it was created now
	goesOn               // an earlier run created it and did not come to its end
	isOver               // an earlier run came to its end
)

// findOrCreate finds the batch that an earlier run of the same recipients created, or creates
// one. An open batch is gone on with, even with again: a run with --again that was killed
// and is repeated must not call anybody a third time.
//
// Two processes that start at the same moment get the same batch, by its key, and so does one that is
// killed before it heard that its batch was created. Where the other one has other options, the
// key is refused, and the batch is there to be found.
func (s *session) findOrCreate(ctx context.Context, p plan, again bool) (store.Batch, origin, error) {
	const tries = 3
	for try := 1; ; try++ {
		b, key, err := s.Earlier(ctx, p)
		switch {
		case err != nil:
			return b, isNew, err
		case b.ID != "" && !b.Counts.Over():
			return b, goesOn, nil
		case b.ID != "" && !again:
			return b, isOver, nil
		}
		p.request.Key = key
		b, err = s.Create(ctx, p.request)
		switch {
		case err == nil:
			return b, isNew, nil
		case !errors.Is(err, batch.ErrKeyReused) || try == tries:
			return b, isNew, fmt.Errorf("creating the batch: %w", err)
		}
	}
}

// Earlier implements backend. The key of a batch is the fingerprint of what is dialled, and how many
// batches of that fingerprint there were before.
func (l *local) Earlier(ctx context.Context, p plan) (latest store.Batch, key string, err error) {
	prefix, remote := keyPrefix(p, l.org), remotePrefix(p)
	generation := 0
	for b, err := range l.Batches(ctx, false) {
		if err != nil {
			return b, "", err
		}
		rest, ours := strings.CutPrefix(b.Key, prefix)
		n, err := strconv.Atoi(rest)
		switch {
		case (!ours || err != nil) && !strings.HasPrefix(b.Key, remote):
			continue
		case !b.Counts.Over():
			return b, "", nil
		case latest.ID == "":
			latest = b
		}
		generation = max(generation, n)
	}
	return latest, prefix + strconv.Itoa(generation+1), nil
}

// keyPrefix is the fingerprint of who is called, with which metadata, by whom and from which
// number. Options that only say how, such as the target, are not part of it.
func keyPrefix(p plan, org string) string {
	h := sha256.New()
	add := func(field []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(field))) // so that no two lists of fields look alike
		h.Write(size[:])
		h.Write(field)
	}
	for _, field := range []string{"1", org, p.request.AgentID, p.request.NumberID} {
		add([]byte(field))
	}
	for _, r := range p.request.Recipients {
		add([]byte(r.To))
		add(r.Metadata)
	}
	return "run:" + hex.EncodeToString(h.Sum(nil)) + ":"
}

// remotePrefix is what a database has of the keys that runs sent to the server that has it open.
func remotePrefix(p plan) string { return "http:" + keyPrefix(p, "") }

// refuseOthers keeps run from dialling recipients that this command does not name. The
// engine dials every batch of its database; one that was interrupted would go on beside
// this one. The worst case is a file that was corrected after an interrupted run:
// to the engine that is another batch, and whoever is in both would be called twice.
func (l *local) refuseOthers(ctx context.Context, p plan, now time.Time) error {
	prefix, remote := keyPrefix(p, l.org), remotePrefix(p)
	var others []string
	for b, err := range l.Batches(ctx, true) {
		if err != nil {
			return err
		}
		ours := strings.HasPrefix(b.Key, prefix) || strings.HasPrefix(b.Key, remote)
		if b.Claimable(now) && !ours {
			others = append(others, fmt.Sprintf("  %s %q: %d of %d left", b.ID, b.Name, b.Counts.Queued, b.Counts.Scheduled()))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return usagef("other batches of the database are open, and their recipients would be called too:\n%s\n"+
		"\"outdial cancel BATCH\" ends one and \"outdial pause BATCH\" holds it; run its own file to go on with it;\n"+
		"--with-others dials them beside this one, and --db names another database",
		strings.Join(others, "\n"))
}
