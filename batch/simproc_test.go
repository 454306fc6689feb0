package batch

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/outdial/outdial/dialer"
)

// maxSlots is the most that there are.
const maxSlots = 8

// simSlot is a place where one process runs after the other, as a supervisor would have it.
type simSlot struct {
	w     *simWorld
	index int
	proc  *simProc // nil: none runs now
	skew  int64    // of the clock of its machine
	cut   bool     // from the store
	wait  int      // starts that are under way
}

// simProc is a process: an engine and everything around it.
type simProc struct {
	w      *simWorld
	slot   *simSlot
	name   string
	node   string // its latest name in the store
	engine *Engine
	stop   context.CancelFunc
	skew   int64
	tasks  []*simTask
	dead   bool
	paused bool
	held   []*simTask // to go on when the pause is over

	stopping bool
	made     int                   // dialers
	gone     map[string]int        // the latest dialer of a carrier before it was taken away
	without  *simCarrier           // that was taken away from it; nil: none
	calmly   bool                  // it was asked to stop while nothing went wrong
	claimed  bool                  // recipients, just now
	troubled int64                 // when it was last kept from its work, or from the store
	told     [2]int                // its shares of the carriers, as it tells the other nodes
	plan     [2]simPlan            // what it goes by at the carriers now
	woke     int64                 // when it was last paused
	back     [2]int64              // when each carrier was last away from it
	dials    map[string][]*simDial // by carrier: that were given to it and have not returned
	orgs     []*orgState           // kept in use, so that what leaks from them is seen
}

// start begins a process, unless one runs.
func (s *simSlot) start() {
	if s.proc != nil || s.w.failure != "" {
		return
	}
	w := s.w
	w.procs++
	p := &simProc{w: w, slot: s, name: fmt.Sprintf("p%d.%d", s.index, w.procs), skew: s.skew, dials: map[string][]*simDial{}, gone: map[string]int{}}
	s.proc = p
	cfg := Config{
		Store: &nodeStore{p: p}, Directory: &simDirectory{p: p}, Dialers: p.dialers(nil),
		PollInterval: w.prof.poll, Lease: w.prof.lease, DrainTimeout: w.prof.drain, Grace: w.prof.grace,
		StoreTimeout: w.prof.storeTimeout, DirectoryTTL: w.prof.ttl, MaxStep: w.prof.maxStep,
		Random: &simRandom{rng: rand.New(rand.NewPCG(w.seed, uint64(w.procs)))},
		Logger: slog.New(simLog{p: p}),
	}
	cfg.Regions = s.regions()
	if err := cfg.validate(); err != nil {
		w.fail("the configuration: %v", err)
		return
	}
	p.engine = newEngine(cfg, simSystem{p})
	for _, o := range w.orgs {
		p.orgs = append(p.orgs, p.engine.useOrg(o.name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	w.tell("%s starts", p.name)
	w.spawn(p, func() { p.ranOut(p.engine.Run(ctx)) }) //nolint:contextcheck // a process that starts later has its own
}

func (s *simSlot) startIn(d time.Duration) {
	s.wait++
	s.w.do(d, func() { s.wait--; s.start() })
}

// ranOut is called where Run has returned: the process ends.
func (p *simProc) ranOut(err error) {
	w := p.w
	w.tell("%s ends: %v", p.name, err)
	if err == nil && !p.stopping {
		w.fail("%s: Run returned without being asked to", p.name)
	}
	if err == nil {
		p.checkStopped()
	}
	w.do(0, func() {
		if p.dead {
			return
		}
		p.kill()
		if w.phase != "stopping" {
			p.slot.startIn(w.between(time.Second, 20*time.Second))
		}
	})
}

// kill ends the process between two steps, as kill -9 does.
func (p *simProc) kill() {
	w := p.w
	p.dead = true
	if p.slot != nil {
		w.tell("%s is gone", p.name)
		p.slot.proc = nil
	}
	for _, c := range w.carriers {
		for _, d := range p.dials[c.name] {
			d.lost()
		}
	}
	for len(p.tasks) > 0 {
		t := p.tasks[len(p.tasks)-1]
		if t.killed {
			w.fail("a task of %s outlives it", p.name)
			return
		}
		t.killed = true
		if t.turn == t.first && t.dropped != nil {
			t.dropped()
		}
		w.resume(t)
	}
	p.held = nil
}

// pause stops a process as SIGSTOP does, until it is resumed.
func (p *simProc) pause() {
	p.paused, p.troubled = true, p.w.now
	p.w.tell("%s is paused", p.name)
}

func (p *simProc) resume() {
	if p.dead || !p.paused {
		return
	}
	p.paused, p.troubled, p.woke = false, p.w.now, p.w.now
	p.w.tell("%s goes on", p.name)
	held := p.held
	p.held = nil
	for _, t := range held {
		t.woken = false
		p.w.wake(t)
	}
}

// askToStop ends the process as SIGTERM does.
func (p *simProc) askToStop() {
	if p.stopping {
		return
	}
	p.stopping = true
	p.w.tell("%s is asked to stop", p.name)
	p.stop()
	p.w.noticeCancelled(p)
}

// dialers makes one for each carrier. Those of old that are kept stay the same.
func (p *simProc) dialers(keep map[string]dialer.Dialer) map[string]dialer.Dialer {
	all := map[string]dialer.Dialer{}
	for _, c := range p.w.carriers {
		if c == p.without {
			p.gone[c.name] = p.made
			p.back[c.index] = math.MaxInt64
			continue
		}
		if p.back[c.index] == math.MaxInt64 {
			p.back[c.index] = p.w.now
		}
		if d := keep[c.name]; d != nil {
			all[c.name] = d
			continue
		}
		p.made++
		d := &simDialer{p: p, c: c, number: p.made}
		if c.resumes {
			all[c.name] = &simResumer{d}
		} else {
			all[c.name] = d
		}
	}
	return all
}

// simRandom is where a process takes its ids from.
type simRandom struct{ rng *rand.Rand }

func (r *simRandom) Read(b []byte) (int, error) {
	var word [8]byte
	for i := 0; i < len(b); i += len(word) {
		binary.LittleEndian.PutUint64(word[:], r.rng.Uint64())
		copy(b[i:], word[:])
	}
	return len(b), nil
}

// simLog counts what the engine says, and tells it in the trace.
type simLog struct{ p *simProc }

func (l simLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (l simLog) Handle(_ context.Context, r slog.Record) error {
	w := l.p.w
	if l.p.dead {
		return nil
	}
	w.seen.logged(r.Message)
	if w.telling() {
		text := ""
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "error" || a.Key == "call" {
				text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
			}
			return true
		})
		w.tell("%s says: %s%s", l.p.name, r.Message, text)
	}
	return nil
}

func (l simLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l simLog) WithGroup(string) slog.Handler      { return l }
