package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// question is what the directory is asked for.
type question struct {
	kind kind
	id   string
}

type kind uint8

const (
	anAgent kind = iota
	aNumber
	anOrganisation
)

func (k kind) String() string { return [...]string{"agent", "number", "organisation"}[k] }

// maxAskers is how many questions about agents and numbers are asked at a time, and how many are waited for besides
// that take long.
const maxAskers = 8

// lane is a queue of questions and the places in which they are asked.
type lane struct {
	due      *priority[*said] // those that are not being asked, by when they are to be
	asking   []*said
	patience time.Duration // a question that takes longer hangs

	// full is since when there has always been one due that no place was free for, while others got theirs; zero: there
	// is none, or nobody gets a place.
	full time.Time
}

// lanes are that of the questions which are answered soon, and that of those which were not the last time. These keep
// nobody waiting but each other.
type lanes struct{ quick, slow lane }

func newLanes(patience, most time.Duration) lanes {
	due := func() *priority[*said] {
		return newPriority(func(a, b *said) bool {
			return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) < 0
		}, func(s *said) *int { return &s.inDue })
	}
	return lanes{lane{due: due(), patience: patience}, lane{due: due(), patience: most}}
}

func (s *lanes) of(x *said) *lane {
	if x.slow {
		return &s.slow
	}
	return &s.quick
}

// put has a question asked when it is due.
func (s *lanes) put(x *said, due time.Time) {
	x.due = due
	s.of(x).due.put(x)
}

// leave frees the place of a question that has been answered.
func (s *lanes) leave(x *said) {
	for _, w := range []*lane{&s.quick, &s.slow} {
		w.asking = slices.DeleteFunc(w.asking, func(one *said) bool { return one == x })
	}
}

// makeRoom takes their places from questions that hang: they get one in the slow lane while there is one left, and none
// any more when their time is up and the directory has not returned.
func (s *lanes) makeRoom(now time.Time) {
	for _, w := range []*lane{&s.quick, &s.slow} {
		if w.stuck(now) {
			w.full = time.Time{} // nobody's turn has come for a while
		}
	}
	s.slow.asking = slices.DeleteFunc(s.slow.asking, func(x *said) bool { return s.slow.hangs(x, now) })
	for len(s.quick.asking) > 0 && s.quick.hangs(s.quick.asking[0], now) && len(s.slow.asking) < maxAskers {
		s.slow.asking = append(s.slow.asking, s.quick.asking[0])
		s.quick.asking = slices.Delete(s.quick.asking, 0, 1)
	}
}

func (w *lane) hangs(x *said, now time.Time) bool { return x.asking && now.Sub(x.asked) >= w.patience }

// stuck says that there are only questions that hang, as the latest one does.
func (w *lane) stuck(now time.Time) bool {
	return len(w.asking) == maxAskers && w.hangs(w.asking[maxAskers-1], now)
}

// next returns the question that has been due for longest, if there is a place for it. Those that are not needed it
// gives to forget.
func (w *lane) next(now time.Time, needs map[question]int, forget func(question)) *said {
	for w.due.len() > 0 && !w.due.first().due.After(now) {
		x := w.due.first()
		switch {
		case needs[x.question] == 0:
			w.due.drop(x)
			forget(x.question)
		case len(w.asking) < maxAskers:
			w.due.drop(x)
			w.asking = append(w.asking, x)
			return x
		default:
			if w.full.IsZero() && !w.stuck(now) {
				w.full = now
			}
			return nil
		}
	}
	w.full = time.Time{}
	return nil
}

// consult asks the directory what is due: about the organisation and whatever its batches need. It does not wait for
// the answers: a directory that is slow or gone keeps no call from being ended and written down.
func (l *loop) consult(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inquire(ctx)
}

func (l *loop) inquire(ctx context.Context) {
	if ctx.Err() != nil || len(l.sched.jobs) == 0 {
		return
	}
	now := l.sys.now()
	l.want(now)
	for x := l.nextQuestion(now); x != nil; x = l.nextQuestion(now) {
		x.asking, x.asked = true, now
		a := &answer{question: x.question, begun: now, knew: l.book.knew, err: errNoAnswer}
		l.s.asking.begin(func() { l.ask(ctx, x, a) })
	}
}

// want takes up what is needed since it was last called, and what may have another answer as the carriers are others.
func (l *loop) want(now time.Time) {
	for _, q := range l.sched.wanted {
		if l.book.said[q] == nil {
			x := &said{question: q}
			l.book.said[q] = x
			l.book.lanes.put(x, now)
		}
	}
	l.sched.wanted = l.sched.wanted[:0]
	set := l.s.e.carriers.now.Load()
	if l.book.knew == set {
		return
	}
	l.book.knew = set
	for q, x := range l.book.said {
		if q.kind == aNumber && !x.asking {
			l.book.lanes.put(x, now)
		}
	}
}

func (l *loop) nextQuestion(now time.Time) *said {
	b := &l.book
	if !b.limit.asking && !b.limit.due.After(now) {
		return &b.limit
	}
	b.lanes.makeRoom(now)
	if x := b.lanes.quick.next(now, l.sched.needs, b.forget); x != nil {
		return x
	}
	return b.lanes.slow.next(now, l.sched.needs, b.forget)
}

// errNoAnswer is what is known where the directory ends the goroutine that asks it.
var errNoAnswer = errors.New("it has not answered")

// ask asks one question, and then what has been waiting for its place.
func (l *loop) ask(ctx context.Context, x *said, a *answer) {
	defer l.answered(ctx, x, a) // also where the directory ends the goroutine
	within, cancel := l.sys.timeout(ctx, l.s.e.cfg.StoreTimeout)
	defer cancel()
	switch directory := l.s.e.cfg.Directory; a.kind {
	case anOrganisation:
		a.organisation, a.err = directory.Organisation(within, a.id)
	case anAgent:
		a.agent, a.err = directory.Agent(within, l.org.id, a.id)
	case aNumber:
		a.number, a.err = directory.Number(within, l.org.id, a.id)
	}
}

func (l *loop) answered(ctx context.Context, x *said, a *answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil { // the loop has ended
		return
	}
	a.end = l.sys.now()
	l.hear(x, a)
	l.inquire(ctx)
	if !l.book.watched || !l.busy(a.end) { // not for each answer, as the routes of all batches are looked at then
		l.ring()
	}
}

// busy says that more answers are expected soon.
func (l *loop) busy(now time.Time) bool {
	b := &l.book
	return len(b.lanes.quick.asking) > 0 || b.limit.asking && !b.lanes.quick.hangs(&b.limit, now)
}

// askAt returns when the directory is to be asked or heard again at the latest; zero: whenever something happens.
func (l *loop) askAt(now time.Time) time.Time {
	const perTTL, most = 4, 250 * time.Millisecond
	soon := now.Add(min(l.s.e.cfg.DirectoryTTL/perTTL, most))
	l.book.watched = l.busy(now)
	waits := l.sched.stuck() || l.book.unsure || len(l.sched.stranded) > 0 || len(l.sched.stale) > 0 || l.outdated(now)
	switch {
	case len(l.sched.jobs) == 0:
		return time.Time{}
	case l.book.watched:
		return soon
	case !waits:
		return time.Time{}
	}
	var at time.Time
	if !l.book.limit.asking {
		at = l.book.limit.due
	}
	for _, w := range []*lane{&l.book.lanes.quick, &l.book.lanes.slow} {
		if w.due.len() > 0 && len(w.asking) < maxAskers {
			at = earliest(at, w.due.first().due)
		}
	}
	return later(at, soon)
}
