package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

// cutLog is how many pages a log has when it is copied into the database, which a power cut is to hit, too.
const cutLog = 30

var (
	cuts    = flag.Int("cuts", 0, "how often the power is cut; 0: 2000 with OUTDIAL_REQUIRE=all, else 100")
	cutSeed = flag.Uint64("cut-seed", 0, "of the first disk; the others count on from it")
)

// cutsPerDisk is how often the same file has to come back.
const cutsPerDisk = 10

// withoutRaceDetector skips what takes SQLite through a disk of its own thousands of times: ten times slower under
// the detector, and no more of a race than the rest. .ci/run calls these tests once more without it.
func withoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("run it without -race")
	}
}

func disks() int {
	n := *cuts
	switch {
	case n > 0:
	case os.Getenv("OUTDIAL_REQUIRE") == "all":
		n = 2000
	default:
		n = 100
	}
	return (n + cutsPerDisk - 1) / cutsPerDisk
}

// Whatever the disk forgets when its power is cut, wherever the store was: the file opens, is whole,
// and has every write that was acknowledged, and of each other one all or nothing.
//
//	go test ./store/sqlite -run PowerCut -cuts 20000 -timeout 30m
//
//nolint:tparallel // the subtests that count are one level below: the outer one waits for them
func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	seen := &sightings{}
	t.Run("disks", func(t *testing.T) {
		for i := range uint64(disks()) {
			t.Run(fmt.Sprint(*cutSeed+i), func(t *testing.T) {
				t.Parallel()
				l := newLife(t, *cutSeed+i, seen)
				for range cutsPerDisk {
					require.NoError(t, l.generation())
				}
			})
		}
	})
	t.Log(seen)
	seen.require(t)
}

// With synchronous=NORMAL the same must find that writes are lost. Else it sees nothing.
func TestPowerCutFindsWhatWeakerSyncsLose(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	const most = 30
	for i := range uint64(most) {
		l := newLife(t, *cutSeed+i, &sightings{})
		l.weak = true
		for n := range cutsPerDisk {
			err := l.generation()
			if errors.Is(err, errLost) {
				t.Logf("found by cut %d: %v", int(i)*cutsPerDisk+n+1, err)
				return
			}
			require.NoError(t, err, "lost, perhaps, but never broken")
		}
	}
	require.Fail(t, "synchronous=NORMAL has lost nothing", "in %d cuts", most*cutsPerDisk)
}

// sightings count what the cuts have met, so that one that was never met is seen to be missing.
type sightings struct {
	cuts, opening, closing, idle, acked, doubtful, survived, checkpoints atomic.Int64

	during [faultdisk.Ops]atomic.Int64
}

func (s *sightings) String() string {
	return fmt.Sprintf("%d cuts: %d while the file was opened, %d while it was closed, %d at rest; at an open %d, write %d, "+
		"truncation %d, sync %d, removal %d; %d writes acknowledged, none lost; %d doubtful, of which %d were there; %d checkpoints",
		s.cuts.Load(), s.opening.Load(), s.closing.Load(), s.idle.Load(), s.during[faultdisk.Open].Load(),
		s.during[faultdisk.Write].Load(), s.during[faultdisk.Truncate].Load(), s.during[faultdisk.Sync].Load(),
		s.during[faultdisk.Remove].Load(), s.acked.Load(), s.doubtful.Load(), s.survived.Load(), s.checkpoints.Load())
}

func (s *sightings) require(t *testing.T) {
	t.Helper()
	for what, n := range map[string]*atomic.Int64{
		"while the file was opened": &s.opening, "while it was closed": &s.closing, "at rest": &s.idle,
		"with writes in doubt": &s.doubtful, "after which such a write was there": &s.survived,
		"at a write": &s.during[faultdisk.Write], "at a sync": &s.during[faultdisk.Sync], "beside a checkpoint": &s.checkpoints,
	} {
		require.Positive(t, n.Load(), "there was no cut %s", what)
	}
}

// life is that of one database, over all the cuts that it sees.
type life struct {
	t       *testing.T
	seed    uint64
	rand    *rand.Rand
	disk    *faultdisk.Disk
	ledgers []*ledger
	nodes   int
	weak    bool
	seen    *sightings
}

func newLife(t *testing.T, seed uint64, seen *sightings) *life {
	t.Helper()
	l := &life{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 3)), disk: faultdisk.New(seed), seen: seen}
	for i := range 1 + l.rand.IntN(3) {
		l.ledgers = append(l.ledgers, newLedger(fmt.Sprintf("org_%d", i), seed<<2+uint64(i)))
	}
	return l
}

// generation is from one cut to the next.
func (l *life) generation() error {
	ctx := l.t.Context()
	path := mount(l.t, l.disk)
	opening := l.rand.IntN(4) == 0
	if opening {
		l.disk.CutAfter(1 + l.rand.IntN(30))
	}
	alarm := &alarm{}
	s, err := sqlite.Open(ctx, on(path, slog.New(alarm)).CopyLog(cutLog))
	if err == nil {
		err = l.use(ctx, s, path, opening)
		closed := s.Close()
		if off, _ := l.disk.Off(); !off && err == nil {
			err = closed
		}
	} else if off, _ := l.disk.Off(); off {
		l.seen.opening.Add(1)
	}
	off, op := l.disk.Off()
	switch {
	case off && !errors.Is(err, errLost) && !errors.Is(err, errWrong) && alarm.repaired() == "":
		l.seen.during[op].Add(1)
	case err != nil:
		return fmt.Errorf("disk %d: %w", l.seed, err)
	case alarm.repaired() != "":
		return fmt.Errorf("disk %d: %w: %s", l.seed, errWrong, alarm.repaired())
	default:
		l.seen.idle.Add(1)
	}
	l.seen.cuts.Add(1)
	l.disk = l.disk.Cut()
	return nil
}

// use finds out what is left, and goes on until the next cut.
func (l *life) use(ctx context.Context, s *sqlite.Store, path string, armed bool) error {
	for _, one := range l.ledgers {
		before, doubtful := one.acked, len(one.writes)-one.acked
		if err := one.judge(ctx, s); err != nil {
			return fmt.Errorf("after a cut: %w", err)
		}
		l.seen.doubtful.Add(int64(doubtful))
		l.seen.survived.Add(int64(one.acked - before))
	}
	if err := whole(ctx, path); err != nil {
		return err
	}
	if l.weak {
		s.Weaken(ctx, l.t)
	}
	if !armed {
		l.disk.CutAfter(1 + l.rand.IntN(1+l.rand.IntN(2500)))
	}
	if err := l.succeed(ctx, s); err != nil {
		return err
	}
	err := l.work(ctx, s, path)
	if off, _ := l.disk.Off(); !off && err == nil && l.rand.IntN(2) == 0 {
		l.disk.CutAfter(1 + l.rand.IntN(6))
		_ = s.Close()
		if off, _ := l.disk.Off(); off {
			l.seen.closing.Add(1)
		}
	}
	return err
}

// node is the one that dials.
func (l *life) node() string { return l.ledgers[0].node }

// succeed has another node take the file over.
func (l *life) succeed(ctx context.Context, s store.Store) error {
	l.nodes++
	node := fmt.Sprintf("node_%d", l.nodes)
	if err := s.Heartbeat(ctx, store.Node{ID: node}, time.Hour); err != nil {
		return err
	}
	w := takeover(node)
	_, err := w.do(ctx, s)
	for _, one := range l.ledgers {
		_, _ = w.do(ctx, one.now)
		one.writes, one.node = append(one.writes, w), node
		if err == nil {
			one.acked = len(one.writes)
		}
	}
	return err
}

// work has all organisations write at once, in one transaction or in several, while somebody else has
// the log copied into the file now and then.
func (l *life) work(ctx context.Context, s store.Store, path string) error {
	const writes = 25
	errs := make([]error, len(l.ledgers)+1)
	copies := l.rand.IntN(3)
	var all sync.WaitGroup
	for i, one := range l.ledgers {
		all.Go(func() {
			acked := one.acked
			for range writes {
				if errs[i] = one.try(ctx, s, one.next(ctx)); errs[i] != nil {
					break
				}
			}
			l.seen.acked.Add(int64(one.acked - acked))
		})
	}
	all.Go(func() {
		for n := range copies {
			if errs[len(l.ledgers)] = checkpoint(ctx, path, n == 0); errs[len(l.ledgers)] != nil {
				return
			}
			l.seen.checkpoints.Add(1)
		}
	})
	all.Wait()
	return errors.Join(errs...)
}

func checkpoint(ctx context.Context, path string, restart bool) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(100)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	text := "PRAGMA wal_checkpoint(PASSIVE)"
	if restart {
		text = "PRAGMA wal_checkpoint(TRUNCATE)"
	}
	_, err = db.ExecContext(ctx, text)
	return errors.Join(err, db.Close())
}

func whole(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	verdict := ""
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%w: integrity_check: %s", errWrong, verdict)
	}
	return errors.Join(err, db.Close())
}

// alarm is a log handler that remembers whether the store had to repair its counters.
type alarm struct{ text atomic.Value }

func (*alarm) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarm) WithAttrs([]slog.Attr) slog.Handler     { return a }
func (a *alarm) WithGroup(string) slog.Handler          { return a }

func (a *alarm) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "counted again") {
		a.text.Store(r.Message)
	}
	return nil
}

func (a *alarm) repaired() string {
	text, _ := a.text.Load().(string)
	return text
}
