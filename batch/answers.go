package batch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// directoryBook is what the host's directory said, for as long as it may be believed. Only the loop's goroutine uses
// it.
type directoryBook struct {
	begun    time.Time   // when it was last asked; zero: it is to be asked at once
	asked    time.Time   // when it was asked that has answered all
	knew     *carrierSet // the carriers that there were then
	ended    time.Time   // when it had
	asking   bool        // it is being asked
	limiting bool        // the limit is being asked for by itself
	rolling  bool        // and was so just before
	unsure   bool        // it failed, or said that something is missing: ask again
	failing  bool        // it failed: what it said before counts
	said     map[question]said
	agents   map[string]dialer.Agent
	numbers  map[string]Number
}

// question is what the directory is asked for.
type question struct {
	kind kind
	id   string
}

type kind string

const (
	anOrganisation kind = "organisation"
	anAgent        kind = "agent"
	aNumber        kind = "number"
)

// said is what is known of an answer, besides what it was.
type said struct {
	begun time.Time // when it was asked for
	until time.Time // calls may begin on it
	err   error     // why there was none
}

// answer is one that the directory gave.
type answer struct {
	question

	begun, end   time.Time
	organisation Organisation
	agent        dialer.Agent
	number       Number
	err          error
}

// asking is a round of questions. A few are asked at a time, the oldest answers first; a directory that takes
// its time for each of many agents is heard piece by piece, and asked for the limit again and again meanwhile.
type asking struct {
	l     *loop
	begun time.Time
	knew  *carrierSet // the carriers that there were then

	mu      sync.Mutex
	left    []question
	limit   time.Time // when the organisation was last asked for
	askers  int       // that are at it
	answers []answer  // that the loop has not been told yet
	told    time.Time // when it last was

	unsure, failing bool // only the loop's goroutine uses them
}

const (
	maxAskers = 8
	perAsker  = 4 // questions that make it worth while to have one more
)

// consult asks the directory, where its last answers are too old, about the organisation
// and whatever its batches need. It does not wait for the answers: a directory
// that is slow or gone keeps no call from being ended and written down.
func (l *loop) consult(ctx context.Context) {
	now := l.sys.now()
	set := l.s.e.carriers.now.Load()
	if l.book.asking {
		l.askLimit(ctx, now)
	}
	if l.book.asking || (now.Sub(l.book.begun) < l.s.e.cfg.DirectoryTTL && l.book.knew == set) {
		return // where the carriers are others, the numbers may name others, too
	}
	left := l.questions()
	if len(left) == 0 {
		return
	}
	l.book.asking, l.book.begun = true, now
	l.book.rolling = now.Sub(l.book.ended) < 2*l.s.e.cfg.DirectoryTTL
	a := &asking{l: l, begun: now, knew: set, left: left, told: now}
	a.askers = min((len(left)+perAsker-1)/perAsker, maxAskers)
	for range a.askers {
		l.helpers.begin(func() { a.ask(ctx) })
	}
}

// askLimit asks for the limit by itself while a round is under way, whose askers may all be held up.
func (l *loop) askLimit(ctx context.Context, now time.Time) {
	q := question{anOrganisation, l.org.id}
	if l.book.limiting || now.Sub(l.book.said[q].begun) < l.s.e.cfg.DirectoryTTL {
		return
	}
	l.book.limiting = true
	l.helpers.begin(func() {
		one := l.ask(ctx, q)
		l.post(func(now time.Time) {
			l.book.limiting = false
			l.learn(&asking{l: l}, []answer{one}, false, now)
		})
	})
}

// questions are those about the agents and numbers of the batches that are open.
func (l *loop) questions() []question {
	l.mu.Lock()
	all := l.needed()
	l.mu.Unlock()
	return slices.SortedFunc(maps.Keys(all), func(a, b question) int {
		older := l.book.said[a].begun.Compare(l.book.said[b].begun)
		return cmp.Or(older, cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
}

func (l *loop) needed() map[question]bool {
	all := map[question]bool{}
	for _, j := range l.sched.jobs {
		all[question{anAgent, j.batch.AgentID}] = true
		all[question{aNumber, j.batch.NumberID}] = true
	}
	return all
}

// ask asks until no question is left.
func (a *asking) ask(ctx context.Context) {
	defer a.end() // also where the directory ends its goroutine
	for q, ok := a.next(); ok; q, ok = a.next() {
		a.hear(a.l.ask(ctx, q))
	}
}

func (a *asking) next() (question, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.left) == 0 {
		return question{}, false
	}
	if now := a.l.sys.now(); now.Sub(a.limit) >= a.l.s.e.cfg.DirectoryTTL {
		a.limit = now
		return question{anOrganisation, a.l.org.id}, true
	}
	q := a.left[0]
	a.left = a.left[1:]
	return q, true
}

func (l *loop) ask(ctx context.Context, q question) answer {
	ctx, cancel := l.sys.timeout(ctx, l.s.e.cfg.StoreTimeout)
	defer cancel()
	a := answer{question: q, begun: l.sys.now()}
	switch q.kind {
	case anOrganisation:
		a.organisation, a.err = l.s.e.cfg.Directory.Organisation(ctx, q.id)
	case anAgent:
		a.agent, a.err = l.s.e.cfg.Directory.Agent(ctx, l.org.id, q.id)
	case aNumber:
		a.number, a.err = l.s.e.cfg.Directory.Number(ctx, l.org.id, q.id)
	}
	a.end = l.sys.now()
	return a
}

// hear passes answers on, now and then: each time the routes of all batches are looked at. What took long to come, and
// a limit that was asked for once more, is not kept until others come.
func (a *asking) hear(one answer) {
	const perTTL = 4
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = append(a.answers, one)
	last := one.begun
	if one.kind == anOrganisation {
		last = a.begun
	}
	if long := a.l.s.e.cfg.DirectoryTTL / perTTL; one.end.Sub(a.told) >= long || one.end.Sub(last) >= long {
		a.tell(one.end, false)
	}
}

func (a *asking) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.askers--; a.askers == 0 {
		a.tell(a.told, true)
	}
}

func (a *asking) tell(now time.Time, over bool) {
	answers := a.answers
	a.answers, a.told = nil, now
	a.l.post(func(now time.Time) { a.l.learn(a, answers, over, now) })
}

// learn takes up what the directory said. Where it failed, what is known stays.
func (l *loop) learn(a *asking, answers []answer, over bool, now time.Time) {
	for _, one := range answers {
		l.note(a, one)
		switch one.kind {
		case anOrganisation:
			if one.err == nil {
				l.sched.setLimit(one.organisation.ConcurrencyLimit)
			} else if errors.Is(one.err, ErrNotFound) {
				l.sched.setLimit(0) // it is not there any more: nothing is dialled for it
			}
		case anAgent:
			remember(l.book.agents, one.id, one.agent, one.err)
		case aNumber:
			remember(l.book.numbers, one.id, one.number, one.err)
		}
	}
	l.book.unsure, l.book.failing = l.book.unsure || a.unsure, l.book.failing || a.failing
	if over {
		l.book.asking, l.book.unsure, l.book.failing = false, a.unsure, a.failing
		l.book.asked, l.book.knew, l.book.ended = a.begun, a.knew, now
		l.forget(now)
	}
	l.route(now)
	l.sched.relearn(now)
	l.sched.weigh(l.book.numbers)
}

// note keeps when an answer was asked for, and what the directory could not answer. An answer is as old as its
// question. One that took long counts a while all the same, or a slow directory would keep every call from beginning;
// and where the directory failed, what it said before does, for as long as it takes until that is known again.
func (l *loop) note(a *asking, one answer) {
	ttl := l.s.e.cfg.DirectoryTTL
	before, now := l.book.said[one.question], said{begun: one.begun, err: one.err}
	now.until = later(one.begun.Add(2*ttl), one.end.Add(ttl))
	if one.err != nil {
		a.unsure = true
		if !errors.Is(one.err, ErrNotFound) {
			a.failing = true
			now.until = one.end.Add(2*ttl + l.s.e.cfg.StoreTimeout)
		}
		if before.err == nil || before.err.Error() != one.err.Error() {
			l.logger().Warn("the directory did not answer", "kind", one.kind, "id", one.id, "error", one.err)
		}
	}
	l.book.said[one.question] = now
}

// remember keeps an answer. An entry that is not there any more is forgotten; one that
// could not be asked for stays as it was.
func remember[T any](book map[string]T, id string, it T, err error) {
	switch {
	case err == nil:
		book[id] = it
	case errors.Is(err, ErrNotFound):
		delete(book, id)
	}
}

// forget drops what no open batch needs: an organisation may have something to do for years, and new agents every day.
func (l *loop) forget(now time.Time) {
	needed := l.needed()
	maps.DeleteFunc(l.book.said, func(q question, _ said) bool { return !needed[q] && q.kind != anOrganisation })
	maps.DeleteFunc(l.book.agents, func(id string, _ dialer.Agent) bool { return !needed[question{anAgent, id}] })
	maps.DeleteFunc(l.book.numbers, func(id string, _ Number) bool { return !needed[question{aNumber, id}] })
	maps.DeleteFunc(l.sched.agents, func(id string, b *breaker) bool {
		return !needed[question{anAgent, id}] && !now.Before(b.restUntil)
	})
	l.sched.forgetTurns()
}

// outdated says that the limit is not known well enough for a call to begin.
func (l *loop) outdated(now time.Time) bool {
	return now.After(l.book.said[question{anOrganisation, l.org.id}].until)
}

// fresh says whether the agent and the number of a batch are.
func (l *loop) fresh(j *job, now time.Time) bool {
	return l.counts(question{anAgent, j.batch.AgentID}, now) && l.counts(question{aNumber, j.batch.NumberID}, now)
}

// counts says whether calls may begin on an answer. Where there are so many questions that the directory is asked all
// the time, one counts until it has been asked for once more: the two that a batch needs may be far apart.
func (l *loop) counts(q question, now time.Time) bool {
	s := l.book.said[q]
	return !now.After(s.until) || l.book.asking && l.book.rolling && !s.begun.Before(l.book.asked)
}

// directed says whether what the directory says still counts: it was asked long enough after since, and after the
// carriers became those that there are now, that a host that changes both had the time to.
func (l *loop) directed(since time.Time) bool {
	set := l.s.e.carriers.now.Load()
	if set.since.After(since) {
		since = set.since
	}
	return !l.book.failing && l.book.knew == set && !l.book.asked.Before(since.Add(l.s.e.cfg.DirectoryTTL))
}

// missing is the reason for what the directory did not give: it is not there, or the
// directory could not be asked.
func (l *loop) missing(reason WaitReason, q question) WaitReason {
	if errors.Is(l.book.said[q].err, ErrNotFound) {
		return reason
	}
	return WaitDirectory
}
