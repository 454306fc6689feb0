package twilio

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// remembered is how many attempts that are over, and calls of whoever else, a process knows. A call may
// wait at Twilio for a day before it turns up.
const remembered = 50_000

// registry knows the attempts of this process by the id of their call. It is safe for
// concurrent use.
type registry struct {
	mu      sync.Mutex
	live    map[string]*attempt      // followed, or let go of
	over    *recent[string, string]  // the SIDs of attempts that are over; empty: never learned
	whose   *recent[string, string]  // the call's id by SID
	placing map[route]chan struct{}  // closed when the next may place a call on the route
	reaping map[string]struct{}      // SIDs that are being hung up
	expires func(*attempt) time.Time // when an attempt that was let go of is certainly over
}

// route is a number and another that it calls.
type route struct{ from, to dialer.Phone }

func newRegistry(expires func(*attempt) time.Time) *registry {
	return &registry{
		live:    map[string]*attempt{},
		over:    newRecent[string, string](remembered),
		whose:   newRecent[string, string](remembered),
		placing: map[route]chan struct{}{},
		reaping: map[string]struct{}{},
		expires: expires,
	}
}

// begin is for a call that is to be placed. It is false if the id was used before.
func (g *registry) begin(call dialer.Call) (*attempt, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, isOver := g.over.get(call.ID)
	if g.live[call.ID] != nil || isOver {
		return nil, false
	}
	a := newAttempt(call)
	a.followers = 1
	g.live[call.ID] = a
	return a, true
}

// resume is for a call that was placed. What this process knows of it from before is kept; isNew says
// that it knows nothing.
func (g *registry) resume(call dialer.Call) (a *attempt, isNew bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a = g.live[call.ID]
	if isNew = a == nil; isNew {
		a = newAttempt(call)
		a.resumed = true
		g.live[call.ID] = a
	}
	a.followers++
	if callSID.MatchString(call.Ref) {
		g.whose.put(call.Ref, call.ID)
	}
	return a, isNew
}

// leave is for a follower that goes while the call goes on.
func (g *registry) leave(a *attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if a.followers--; a.followers == 0 {
		a.letGoAt = now
	}
	for id, other := range g.live {
		if other.followers == 0 && now.After(g.expires(other)) {
			delete(g.live, id)
		}
	}
}

// finish is for a follower of a call that is over, or given up.
func (g *registry) finish(a *attempt) {
	k, _ := a.look()
	g.mu.Lock()
	defer g.mu.Unlock()
	a.followers--
	if g.live[a.call.ID] == a {
		delete(g.live, a.call.ID)
	}
	g.over.put(a.call.ID, k.sid)
}

// giveUp is for a follower that could not find the call, which is over if nobody else follows it.
func (g *registry) giveUp(a *attempt) {
	k, _ := a.look()
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.followers--; a.followers == 0 {
		if g.live[a.call.ID] == a {
			delete(g.live, a.call.ID)
		}
		g.over.put(a.call.ID, k.sid)
	}
}

// forget is for a call that was never placed, or could not be asked about: its id may come again.
func (g *registry) forget(a *attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.followers--; a.followers == 0 && g.live[a.call.ID] == a {
		delete(g.live, a.call.ID)
	}
}

// find returns the attempt of a call's id; or the SID of one that is over.
func (g *registry) find(id string) (a *attempt, sid string, isOver bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.live[id]; a != nil {
		return a, "", false
	}
	sid, isOver = g.over.get(id)
	return nil, sid, isOver
}

// note remembers whose call a SID is.
func (g *registry) note(sid, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.whose.put(sid, id)
}

// isOthers says whether a SID is certainly that of another call.
func (g *registry) isOthers(sid, id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner, ok := g.whose.get(sid)
	return ok && owner != id
}

// knows says whether news of a call is for this process.
func (g *registry) knows(id string) bool {
	a, _, isOver := g.find(id)
	return a != nil || isOver
}

// end notes that an attempt is over that another process, or this one before it was started anew, has followed.
func (g *registry) end(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, has := g.over.get(id); !has && g.live[id] == nil {
		g.over.put(id, "")
	}
}

// enter waits until nobody else is placing a call on the route: two calls of unknown fate could
// not be told apart. The result lets the next one in.
func (g *registry) enter(ctx context.Context, r route) (func(), error) {
	for {
		g.mu.Lock()
		ahead, isBusy := g.placing[r]
		if !isBusy {
			mine := make(chan struct{})
			g.placing[r] = mine
			g.mu.Unlock()
			return sync.OnceFunc(func() { g.exit(r, mine) }), nil
		}
		g.mu.Unlock()
		select {
		case <-ahead:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (g *registry) exit(r route, mine chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.placing, r)
	close(mine)
}

// reap is false if the call is being hung up already.
func (g *registry) reap(sid string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, busy := g.reaping[sid]; busy {
		return false
	}
	g.reaping[sid] = struct{}{}
	return true
}

func (g *registry) reaped(sid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.reaping, sid)
}
