package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

var errSilent = errors.New("this error does not say that it is the disk")

// A disk that fails for a while, in any call and in any way: every method says so, and as soon as the
// disk is back the same Store works, with all that was acknowledged; also when the power goes afterwards, or
// the process dies first.
//
//nolint:tparallel // the subtests that count are one level below: the outer one waits for them
func TestStormsLoseNothingAndPass(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	n := uint64(4)
	if os.Getenv("OUTDIAL_REQUIRE") == "all" {
		n = 40
	}
	seen := &weather{}
	t.Run("disks", func(t *testing.T) {
		for i := range n {
			t.Run(fmt.Sprint(*cutSeed+i), func(t *testing.T) {
				t.Parallel()
				l := newLife(t, *cutSeed+i, &sightings{})
				for range cutsPerDisk {
					require.NoError(t, l.stormy(seen))
				}
			})
		}
	})
	t.Log(seen)
	seen.require(t)
}

// weather is what has failed, and what came of it.
type weather struct {
	storms, failed, passed, visible, vanished atomic.Int64

	faults [faultdisk.Ops]atomic.Int64
	ends   [endings]atomic.Int64
}

func (w *weather) String() string {
	return fmt.Sprintf("%d storms; failed: %d opens, %d reads, %d writes, %d truncations, %d syncs, %d removals; "+
		"%d writes of the store failed (%d of them were there, %d not) and %d went well; ended by %d power cuts, %d kills, %d kills in the storm, %d times closed in it",
		w.storms.Load(), w.faults[faultdisk.Open].Load(), w.faults[faultdisk.Read].Load(), w.faults[faultdisk.Write].Load(),
		w.faults[faultdisk.Truncate].Load(), w.faults[faultdisk.Sync].Load(), w.faults[faultdisk.Remove].Load(),
		w.failed.Load(), w.visible.Load(), w.vanished.Load(), w.passed.Load(), w.ends[powerCut].Load(), w.ends[killed].Load(),
		w.ends[killedInStorm].Load(), w.ends[closedInStorm].Load())
}

func (w *weather) require(t *testing.T) {
	t.Helper()
	for what, n := range map[string]*atomic.Int64{
		"failed": &w.failed, "passed": &w.passed, "not there": &w.vanished, "cuts": &w.ends[powerCut],
		"kills": &w.ends[killed], "kills in a storm": &w.ends[killedInStorm], "closed in a storm": &w.ends[closedInStorm],
		"opens": &w.faults[faultdisk.Open], "reads": &w.faults[faultdisk.Read], "writes": &w.faults[faultdisk.Write],
		"syncs": &w.faults[faultdisk.Sync],
	} {
		require.Positive(t, n.Load(), what)
	}
}

// draw draws what fails: everything, some ops now and then, one single call, or all that needs room.
func (w *weather) draw(r *rand.Rand) func(faultdisk.Op) error {
	kind, odds, single := r.IntN(5), 1+r.IntN(30), 1+r.IntN(60)
	only := faultdisk.Op(r.IntN(int(faultdisk.Ops)))
	draw := rand.New(rand.NewPCG(r.Uint64(), 4)) // the disk is locked when it is asked
	calls := 0
	return func(op faultdisk.Op) error {
		calls++
		err := faultdisk.ErrIO
		fails := true
		switch kind {
		case 0:
		case 1:
			fails = draw.IntN(odds) == 0
		case 2:
			fails = op == only && draw.IntN(1+odds/10) == 0
		case 3:
			fails = calls == single
		default:
			err = faultdisk.ErrFull
			fails = op == faultdisk.Write || (op == faultdisk.Sync && odds > 25)
		}
		if !fails {
			return nil
		}
		w.faults[op].Add(1)
		return err
	}
}

// says returns an error that does not say that it comes of the disk.
func says(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, faultdisk.ErrIO) || errors.Is(err, faultdisk.ErrFull) {
		return nil
	}
	if e, ok := errors.AsType[*driver.Error](err); ok {
		switch e.Code() & 0xff {
		case lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN:
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errSilent, err)
}

// stormy is from one opening of the file to the next.
func (l *life) stormy(seen *weather) error {
	ctx := l.t.Context()
	path := mount(l.t, l.disk)
	alarm := &alarm{}
	s, err := sqlite.Open(ctx, on(path, slog.New(alarm)))
	if err != nil {
		return err
	}
	defer func() { require.NoError(l.t, s.Close()) }()
	for _, one := range l.ledgers {
		if err := one.judge(ctx, s); err != nil {
			return fmt.Errorf("disk %d: when it was opened: %w", l.seed, err)
		}
	}
	if err := errors.Join(whole(ctx, path), l.succeed(ctx, s)); err != nil {
		return err
	}
	end := ending(l.rand.IntN(int(endings)))
	for n := range 1 + l.rand.IntN(3) {
		if err := l.storm(ctx, s, path, seen); err != nil {
			return fmt.Errorf("disk %d: in a storm: %w", l.seed, err)
		}
		if end == killedInStorm && n > 0 {
			break
		}
		if err := l.calm(ctx, s, path); err != nil {
			return fmt.Errorf("disk %d: after a storm: %w", l.seed, err)
		}
	}
	if text := alarm.repaired(); text != "" {
		return fmt.Errorf("disk %d: %w: %s", l.seed, errWrong, text)
	}
	return l.end(s, end, seen)
}

// ending is how a process ends.
type ending uint8

const (
	powerCut ending = iota
	killed
	killedInStorm // before anything else was written
	closedInStorm // as well as that can be done
	endings
)

func (l *life) end(s *sqlite.Store, how ending, seen *weather) error {
	seen.ends[how].Add(1)
	switch how {
	case powerCut:
		l.disk = l.disk.Cut()
		return nil
	case closedInStorm:
		l.disk.Fail(seen.draw(l.rand))
		if err := says(s.Close()); err != nil {
			return err
		}
	case killed, killedInStorm, endings:
	}
	l.disk = l.disk.Restart()
	return nil
}

// storm has everything asked for at once while the disk fails.
func (l *life) storm(ctx context.Context, s *sqlite.Store, path string, seen *weather) error {
	seen.storms.Add(1)
	errs := make([]error, len(l.ledgers)+1)
	over, done := context.WithCancel(ctx)
	var writers, all sync.WaitGroup
	l.disk.Fail(seen.draw(l.rand))
	for i, one := range l.ledgers {
		writers.Go(func() { errs[i] = one.endure(ctx, s, seen) })
	}
	all.Go(func() { errs[len(l.ledgers)] = ask(over, s, path, l.node()) })
	writers.Wait()
	done()
	all.Wait()
	l.disk.Fail(nil)
	return errors.Join(errs...)
}

// calm wants everything to work at once.
func (l *life) calm(ctx context.Context, s *sqlite.Store, path string) error {
	for _, one := range l.ledgers {
		if err := one.judge(ctx, s); err != nil {
			return err
		}
		for range 3 {
			if err := one.try(ctx, s, one.next(ctx)); err != nil {
				return err
			}
		}
	}
	if err := s.Heartbeat(ctx, store.Node{ID: l.node()}, time.Hour); err != nil {
		return fmt.Errorf("after a storm: %w", err)
	}
	return whole(ctx, path)
}

// endure writes while the disk fails. Of a write that has failed it asks what came of it, and
// does it again if that was nothing, as an engine would. Until then it stays in doubt: a commit that could
// not be synced is not there for who reads, and may be for who opens the file anew.
func (l *ledger) endure(ctx context.Context, s store.Store, seen *weather) error {
	const tries = 12
	w := l.next(ctx)
	again := false
	for range tries {
		if again {
			l.writes, again = l.writes[:len(l.writes)-1], false
			l.now = l.after(ctx, len(l.writes))
		}
		err := l.try(ctx, s, w)
		if err == nil {
			seen.passed.Add(1)
			w = l.next(ctx)
			continue
		}
		if errors.Is(err, errWrong) || says(err) != nil {
			return errors.Join(says(err), err)
		}
		seen.failed.Add(1)
		there, err := l.sees(ctx, s)
		switch {
		case err != nil && says(err) == nil:
			return nil // it is asked again when the disk is back
		case err != nil:
			return errors.Join(says(err), err)
		case there:
			seen.visible.Add(1)
			w = l.next(ctx)
		default:
			seen.vanished.Add(1)
			again = true
		}
	}
	return nil
}

// sees says whether the latest write is there; if it is not then all the others are.
func (l *ledger) sees(ctx context.Context, s store.Store) (bool, error) {
	got, err := read(ctx, s, l.org)
	if err != nil {
		return false, err
	}
	n := len(l.writes)
	for ; n >= len(l.writes)-1; n-- {
		want, err := read(ctx, l.after(ctx, n), l.org)
		if err != nil || same(got, want) {
			return n == len(l.writes), err
		}
	}
	return false, fmt.Errorf("%w: %s of %s has failed and is there in part: %+v", errWrong, l.writes[len(l.writes)-1].name, l.org, got)
}

// ask calls all that is not a write of the ledgers, until ctx ends. Errors have to be the disk's, and
// what is known to be there is never not found.
func ask(ctx context.Context, s *sqlite.Store, path, node string) error {
	for ctx.Err() == nil {
		_, err := s.Nodes(ctx)
		errs := []error{says(err), says(s.Heartbeat(ctx, store.Node{ID: node}, time.Hour))}
		_, err = s.Adopt(ctx, node, 10)
		errs = append(errs, says(err))
		orgs, err := s.Active(ctx)
		errs = append(errs, says(err))
		for _, o := range orgs {
			open, err := s.Batches(ctx, store.BatchQuery{Org: o.Org, Open: true, Limit: 2})
			errs = append(errs, says(err))
			for _, b := range open {
				_, err = s.Batch(ctx, o.Org, b.ID)
				errs = append(errs, says(err))
			}
			calls, err := s.Calls(ctx, store.CallQuery{Org: o.Org, Limit: 2})
			errs = append(errs, says(err))
			for _, c := range calls {
				_, err = s.Call(ctx, o.Org, c.ID)
				errs = append(errs, says(err))
			}
		}
		errs = append(errs, says(checkpoint(ctx, path, true)))
		other, err := sqlite.Open(ctx, on(path, nil))
		errs = append(errs, says(err))
		if err == nil {
			errs = append(errs, says(other.Close()))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}
