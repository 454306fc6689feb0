package sip

import (
	"context"
	"errors"
	"sync"
	"time"
)

// account is what is known of whether a trunk takes our credentials. A wrong password that is brought again
// and again locks an account at many a registrar. So one request alone brings them until they were taken
// for the first time, and when they were refused, nobody does for a while. It is safe for concurrent use.
type account struct {
	rest time.Duration // after a refusal; negative: for ever

	mu      sync.Mutex
	isTaken bool      // the trunk has taken them, and not refused them since
	refused time.Time // zero: it has not refused them since it took them
	trial   *trial    // nil: there is none

	refusals uint64 // so many
	letIn    bool   // there was a call, with credentials or without
	demanded bool   // it rests for a challenge that cannot be answered
	doubted  bool   // what brought them was challenged, perhaps for an old nonce: one finds out before others
}

// trial is the request that brings the credentials while nobody knows whether they are right.
type trial struct {
	begun time.Time
	over  chan struct{} // closed when it is known, or somebody else may try
}

// trialPatience is how long others wait for a trial: as for a server that says nothing.
const trialPatience = defaultSilent

// errCredentials also stands for a challenge that the configuration cannot answer.
var errCredentials = errors.New("it did not take the user and the secret, which are not tried again yet")

// resting says how long nobody brings the credentials: they were refused. 0: somebody may.
func (a *account) resting() (time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left()
}

// left is called with the lock held.
func (a *account) left() (time.Duration, error) {
	const longest = 24 * time.Hour // what a rest for ever is told as
	switch {
	case a.refused.IsZero():
		return 0, nil
	case a.rest < 0:
		return longest, errCredentials
	}
	if left := time.Until(a.refused.Add(a.rest)); left > 0 {
		return left, errCredentials
	}
	return 0, nil
}

// enter is called before credentials are brought. Where it returns a channel, somebody else is about to find out
// whether they are right: it is called again when that is closed, or after trialPatience. A trial is ended
// by leave.
func (a *account) enter() (mine *trial, wait <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isTaken && !a.doubted {
		return nil, nil, nil
	}
	if _, err := a.left(); err != nil {
		return nil, nil, err
	}
	if a.trial != nil {
		if time.Since(a.trial.begun) < trialPatience {
			return nil, a.trial.over, nil
		}
		close(a.trial.over)
	}
	a.trial = &trial{begun: time.Now(), over: make(chan struct{})}
	return a.trial, nil, nil
}

// await enters when it may, or returns an error.
func (a *account) await(ctx context.Context) (mine *trial, err error) {
	for {
		mine, wait, err := a.enter()
		if err != nil || wait == nil {
			return mine, err
		}
		patience, stop := elapsed(trialPatience)
		select {
		case <-wait:
		case <-patience:
		case <-ctx.Done():
			stop()
			return nil, context.Cause(ctx)
		}
		stop()
	}
}

// leave ends a trial, whatever it found out. Nil is none.
func (a *account) leave(t *trial) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t != nil && a.trial == t {
		a.end()
	}
}

// end is called with the lock held.
func (a *account) end() {
	if a.trial != nil {
		close(a.trial.over)
		a.trial = nil
	}
}

// take notes that the credentials were taken, by a request that left when they had been refused so many times. What
// an older one hears later says nothing of the password of now.
func (a *account) take(refusals uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if refusals != a.refusals {
		return
	}
	a.isTaken, a.refused, a.letIn, a.demanded, a.doubted = true, time.Time{}, true, false, false
	a.end()
}

// count is how many times the credentials were refused.
func (a *account) count() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusals
}

// isKnown says whether the credentials are known to be taken.
func (a *account) isKnown() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.isTaken && !a.doubted
}

// doubt notes that what brought them was challenged.
func (a *account) doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.doubted = true
}

// admit notes that a call was let in that brought none: who asked for some is somebody behind the trunk.
func (a *account) admit() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.letIn = true
	if a.demanded {
		a.demanded, a.refused = false, time.Time{}
	}
}

// demand notes a challenge that cannot be answered, and says whether it is taken for one to all calls: none was let in.
func (a *account) demand() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.letIn {
		return false
	}
	a.refuseAll()
	a.demanded = true
	return true
}

// refuseAll is called with the lock held.
func (a *account) refuseAll() {
	a.refusals++
	a.demanded, a.refused = false, time.Now()
	a.end()
}

// refuse notes that they were refused, and returns how long nobody brings them. Where they were taken before, it
// may be the server that is wrong for a moment: then one request finds out, and there is no rest yet.
func (a *account) refuse() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wasTaken := a.isTaken
	a.isTaken, a.doubted = false, false
	a.refusals++
	if !wasTaken {
		a.demanded, a.refused = false, time.Now()
	}
	a.end()
	left, _ := a.left()
	return left
}

// forbid notes a 403 to a request that brought them. It is about the call, which may not be placed, unless they
// were never taken: many a server says it to a wrong password. It says whether it was taken for that.
func (a *account) forbid() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isTaken {
		return false
	}
	a.refuseAll()
	return true
}
