package batch

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// directoryBook is what the host's directory said, for as long as it may be believed, and what it is asked. The loop's
// mu guards it.
type directoryBook struct {
	limit   said               // of the organisation
	said    map[question]*said // of agents and numbers
	agents  map[string]dialer.Agent
	numbers map[string]Number
	version int // counts how often an agent or a number became another one, see route

	lanes   lanes
	knew    *carrierSet // the carriers that there were when it was last consulted
	news    bool        // it has answered, or a batch was learned of, since the routes were looked at
	watched bool        // the loop looks soon whether there are more answers
	unsure  bool        // a batch has no route: ask again
}

func newDirectoryBook(org string, ttl, timeout time.Duration) directoryBook {
	patience := min(ttl, DefaultDirectoryTTL)
	return directoryBook{
		limit: said{question: question{anOrganisation, org}}, said: map[question]*said{},
		agents: map[string]dialer.Agent{}, numbers: map[string]Number{},
		lanes: newLanes(patience, timeout+patience),
	}
}

// said is what is known of an answer, besides what it was, and of its question.
type said struct {
	question

	begun time.Time   // when it was asked for; zero: there was no answer yet
	until time.Time   // calls may begin on it
	err   error       // why there was none
	knew  *carrierSet // the carriers that there were then

	asking bool
	asked  time.Time // the last time, whether there was an answer yet or not
	due    time.Time // when it is to be asked for again
	slow   bool      // the last answer was long in coming
	inDue  int       // place in lane.due
}

// answer is one that the directory gave.
type answer struct {
	question

	begun, end   time.Time
	knew         *carrierSet // the carriers that there were when it was asked for
	organisation Organisation
	agent        dialer.Agent
	number       Number
	err          error
}

// hear keeps what the directory said. Where it failed, what is known stays.
func (l *loop) hear(x *said, a *answer) {
	b := &l.book
	b.news = true
	l.note(x, a)
	switch a.kind {
	case anOrganisation:
		if a.err == nil {
			l.sched.setLimit(a.organisation.ConcurrencyLimit)
		} else if errors.Is(a.err, ErrNotFound) {
			l.sched.setLimit(0) // it is not there any more: nothing is dialled for it
		}
		return
	case anAgent:
		b.setAgent(a)
	case aNumber:
		b.setNumber(a)
	}
	b.lanes.leave(x)
	if a.kind == aNumber && a.knew != b.knew {
		x.due = a.end
	}
	b.lanes.put(x, x.due)
}

// note keeps when an answer was asked for, and what the directory could not answer. An answer is as old as its
// question. One that took long counts a while all the same, or a slow directory would keep every call from beginning;
// and where the directory failed, what it said before does, for as long as it takes until that is known again.
func (l *loop) note(x *said, a *answer) {
	ttl := l.s.e.cfg.DirectoryTTL
	before := x.err
	x.slow, x.asking = l.book.lanes.quick.hangs(x, a.end), false
	x.begun, x.err, x.knew, x.due = a.begun, a.err, a.knew, a.begun.Add(ttl)
	x.until = later(a.begun.Add(2*ttl), a.end.Add(ttl))
	if x.failed() {
		x.until = a.end.Add(2*ttl + l.s.e.cfg.StoreTimeout)
	}
	if x.err != nil && (before == nil || before.Error() != x.err.Error()) {
		l.logger().Warn("the directory did not answer", "kind", x.kind.String(), "id", x.id, "error", x.err)
	}
}

// failed says that the directory had no answer, not even that there is no such thing.
func (x *said) failed() bool { return x.err != nil && !errors.Is(x.err, ErrNotFound) }

// setAgent keeps an answer about an agent. One that is not there any more is forgotten; one that could not be asked for
// stays as it was.
func (b *directoryBook) setAgent(one *answer) {
	old, known := b.agents[one.id]
	switch {
	case one.err == nil && (!known || old != one.agent):
		b.agents[one.id] = one.agent
		b.version++
	case known && errors.Is(one.err, ErrNotFound):
		delete(b.agents, one.id)
		b.version++
	}
}

// setNumber does the same for a number. Its slices are the host's, who may use them again.
func (b *directoryBook) setNumber(one *answer) {
	old, known := b.numbers[one.id]
	switch {
	case one.err == nil && (!known || !old.equal(one.number)):
		n := one.number
		n.Carriers, n.Weights = slices.Clone(n.Carriers), slices.Clone(n.Weights)
		b.numbers[one.id] = n
		b.version++
	case known && errors.Is(one.err, ErrNotFound):
		delete(b.numbers, one.id)
		b.version++
	}
}

// forget drops what no open batch needs: an organisation may have something to do for years, and new agents every day.
func (b *directoryBook) forget(q question) {
	delete(b.said, q)
	if q.kind == anAgent {
		delete(b.agents, q.id)
	} else {
		delete(b.numbers, q.id)
	}
}

// learn takes up what the directory has said, before anything is planned by it.
func (l *loop) learn(now time.Time) {
	if !l.book.news {
		return
	}
	l.book.news = false
	l.route(now)
	l.sched.relearn(now)
	l.sched.weigh(l.book.numbers)
	maps.DeleteFunc(l.sched.agents, func(id string, b *breaker) bool {
		return l.sched.needs[question{anAgent, id}] == 0 && !now.Before(b.restUntil)
	})
	l.sched.forgetTurns()
}

// outdated says that the limit is not known well enough for a call to begin.
func (l *loop) outdated(now time.Time) bool {
	return now.After(l.book.limit.until)
}

// fresh says whether the agent and the number of a batch are.
func (l *loop) fresh(j *job, now time.Time) bool {
	of := j.asks()
	return l.book.counts(of[0], now) && l.book.counts(of[1], now)
}

// counts says whether calls may begin on an answer. Where there are so many questions that the directory is asked all
// the time, one counts until it has been asked for once more: the two that a batch needs may be far apart.
func (b *directoryBook) counts(q question, now time.Time) bool {
	x := b.said[q]
	if x == nil {
		return false
	}
	w := b.lanes.of(x)
	itsTurnComes := !w.full.IsZero() && !x.until.Before(w.full) && !w.hangs(x, now)
	return itsTurnComes || !now.After(x.until)
}

// directed says whether what the directory says of a batch's number still counts: it was asked long enough after since,
// and after the carriers became those that there are now, that a host that changes both had the time to.
func (l *loop) directed(j *job, since time.Time) bool {
	set := l.s.e.carriers.now.Load()
	if set.since.After(since) {
		since = set.since
	}
	x := l.book.said[question{aNumber, j.batch.NumberID}]
	return x != nil && !x.failed() && x.knew == set && !x.begun.Before(since.Add(l.s.e.cfg.DirectoryTTL))
}

// missing is the reason for what the directory did not give: it is not there, or the directory could not be asked.
// There is none where it had no time to answer.
func (l *loop) missing(reason WaitReason, q question, now time.Time) WaitReason {
	x := l.book.said[q]
	switch {
	case x == nil, x.begun.IsZero() && !l.book.lanes.quick.hangs(x, now):
		return ""
	case errors.Is(x.err, ErrNotFound):
		return reason
	}
	return WaitDirectory
}
