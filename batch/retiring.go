package batch

import "time"

// A carrier whose name was taken away ends its calls over its dialer, which the host closes when the last of
// them has left it. A session that loses its lease leaves them all at once, and its successor takes them up again: so
// every dialer is kept until it has.

// resuming returns the carrier over which a call that was placed under a name can be taken up: the one that has the
// name, else the one that had it last, while its dialer is in use. Nil where there is none.
func (c *carriers) resuming(name string) *carrier {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	if now := c.get(name); now != nil {
		return now
	}
	if r := c.retiring[name]; r != nil && r.holdIfUsed() {
		r.drop()
		return r
	}
	return nil
}

// keep has no dialer that is in use be closed before release, also where its last call leaves it or it is replaced.
func (c *carriers) keep() (release func()) {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	var kept []*carrier
	for _, those := range []map[string]*carrier{c.all(), c.retiring} {
		for _, one := range inOrder(those) {
			if one.holdIfUsed() {
				kept = append(kept, one)
			}
		}
	}
	return func() {
		for _, one := range kept {
			one.drop()
		}
	}
}

func (c *carrier) holdIfUsed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		return false
	}
	c.users++
	return true
}

// canResume says whether a call of the carrier that this session lets go of can be taken up again: by a process that
// begins with the carriers of now, or by the next session of this one.
func (s *session) canResume(c *carrier) bool {
	by := s.e.carriers.get(c.name)
	if by == nil && s.returns.Load() {
		by = s.e.carriers.resuming(c.name)
	}
	return c.resumer != nil && by != nil && by.resumer != nil
}

// fence ends the session: its lease is lost.
func (s *session) fence() {
	s.mu.Lock()
	first := !s.fenced.Load()
	if first {
		s.returns.Store(!s.draining)
		s.e.keepDialers()
		s.fenced.Store(true)
	}
	s.mu.Unlock()
	s.bell.ring()
}

// keepDialers keeps the dialers until releaseDialers is called.
func (e *Engine) keepDialers() {
	release := e.carriers.keep()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, release)
}

func (e *Engine) releaseDialers() {
	e.mu.Lock()
	kept := e.kept
	e.kept = nil
	e.mu.Unlock()
	for _, release := range kept {
		release()
	}
}

// hold says that a call's dialer is being used, until drop.
func (c *carrier) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
}

func (c *carrier) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveOne()
}

func (c *carrier) leaveOne() {
	c.users--
	if c.users > 0 || !c.gone {
		return
	}
	for _, over := range c.over {
		over()
	}
	c.over = nil
}

// inUse says whether calls still hold channels under the name, or the dialer is used.
func (c *carrier) inUse() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.users > 0 || c.before > 0 || c.behind > 0
}

// revive takes a carrier back that was taken away. Other nodes may have its share by now.
func (c *carrier) revive(shared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared {
		c.setShare(0)
	}
	c.gone = false
}

// replace has the calls of c end as they are. Those that begin are heir's, which may be nil. over is
// called once nobody uses the dialer any more; it does not block.
func (c *carrier) replace(heir *carrier, now time.Time, over func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	present := !c.gone
	c.gone = true
	c.over = append(c.over, over)
	if c.heir = heir; heir != nil {
		heir.inherited(c.units + c.before)
		heir.leaveBehind(c.behind)
		heir.goOn(c, present, now)
	}
	c.wakeAll() // they find the heir when they ask again
	c.users++
	c.leaveOne()
}
