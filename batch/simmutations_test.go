package batch

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var simMutate = flag.Bool("mutations", false, "put known bugs back, one at a time, and have the simulation find each")

// mutation is a bug that is put back: in a file one text is replaced by another.
type mutation struct {
	bug      string // what it is
	file     string // from here
	old, new string
}

// edits are all that it replaces, each in another file.
func (m mutation) edits() []mutation {
	all := []mutation{m}
	switch {
	case strings.HasSuffix(m.old, "c.kept"): // who looks at its share once more before it uses a channel has told nothing wrong
		all = append(all, mutation{"", "carrier.go", "	if s.granted && c.channels.owes() {", "	if false {"})
	case strings.HasPrefix(m.old, "since >= most+"): // the last look is one of several
		all = append(all, mutation{"", "recover.go", "	soon = soon || s.late && since", "	soon = soon || false && since"})
	}
	return all
}

// simMutations are the bugs of other queues that can be had here, then those that the simulation has
// found in this engine.
func simMutations() []mutation {
	const memory = "../store/memory/"
	return []mutation{
		{
			"1: an end is written over one that was written before", memory + "event.go",
			"return from.InFlight() && (from == to || from.Reaches(to))", "return from == to || from.Reaches(to) || !from.InFlight()",
		},
		{
			"2: calls of dead nodes are taken over at the start only", "takeover.go",
			"	since := s.e", "	if s.ready.Load() {\n		return false\n	}\n	since := s.e",
		},
		{
			"3: who is asked to stop drops what became of its calls", "session.go",
			"s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))", "s.ctx, s.cancel = context.WithCancel(ctx)",
		},
		{
			"4: a lease that has run out is good enough to write", memory + "advance.go",
			"if !s.alive(step.Owner) {", "if false {",
		},
		{
			"5: a node whose first duty fails goes on half dead", "session.go",
			"if counted || s.mourned() {", "if (counted || s.mourned()) && !s.doubted {",
		},
		{
			"6: a node believes in its lease for ever", "session.go",
			"return !now.After(*s.until.Load())", "return true || !now.After(*s.until.Load())",
		},
		{
			"7: a call whose node died is queued again", "attempt.go",
			"s.ended(a.id, dialer.Outcome{}, errOrphan, now)", "s.ended(a.id, dialer.Outcome{}, errRefused, now)",
		},
		{
			"8: a node starts under the name that it had before", "session.go",
			"	id, err := newNodeID(e.cfg.Random)\n", "	id, err := \"node\", error(nil)\n",
		},
		{
			"9: a slot for which there is no recipient is never free again", "scheduler.go",
			"			s.capacity.release(1)\n			p.job.limit.release(1)\n			s.unused(p)\n", "			p.job.limit.release(1)\n			s.unused(p)\n",
		},
		{
			"10: a slot is given back twice", "carrier.go",
			"	if c.channels != nil {\n		c.channels.release(units)\n		c.handOver()\n", "	if c.channels != nil {\n		c.channels.release(2 * units)\n		c.handOver()\n",
		},
		{
			"11: what becomes free is not told to who waits", "carrier.go",
			"	if c.channels != nil {\n		c.channels.release(units)\n		c.handOver()\n", "	if c.channels != nil {\n		c.channels.release(units)\n",
		},
		{
			"12: a call in one of two states is never taken over", memory + "adopt.go",
			"if !elsewhere[c.Carrier] && ", "if c.StartedAt.IsZero() && !elsewhere[c.Carrier] && ",
		},
		{
			"13: more is claimed than the limit leaves", memory + "claim.go",
			", t.step.Limit-len(t.inFlight))", ")",
		},
		{
			"14: who does not know whether it was written begins anew", "loop.go",
			"		step.Replay = true\n", "",
		},
		{
			"15: nobody looks whether others have written", "session.go",
			"		s.poll(ctx)\n		s.e.sys.wait(", "		if !s.ready.Load() {\n			s.poll(ctx)\n		}\n		s.e.sys.wait(",
		},
		{
			"what is taken up late from the directory counts as new", "answers.go",
			"	l.book.news = false\n", "	l.book.news, l.book.limit.until = false, now.Add(2*l.s.e.cfg.DirectoryTTL)\n",
		},
		{
			"a call that was claimed by a late commit is looked for once", "recover.go",
			"if !soon && (!s.doubted || since < again) {", "if !soon {",
		},
		{
			"who sets the clock has the loop spin, or sleep", "loop.go",
			"	return at // with", "	return at.Truncate(time.Microsecond).Add(time.Microsecond) // with",
		},
		{
			"a channel that was kept is forgotten as the share goes", "carrier.go",
			"		if s.granted { // before the share was given up\n			c.leave(s)\n		}\n", "",
		},
		{
			"a channel that was kept is used beside calls that were taken over", "carrier.go",
			"	if s.granted && c.channels.owes() {", "	if false {",
		},
		{
			"a channel that is kept is told as free, and used all the same", "nodes.go",
			"c.units+c.before+c.behind+c.kept", "c.units+c.before+c.behind",
		},
		{
			"no node has as many channels as one call needs", "demand.go",
			"return (max(c.heaviest, 1)*whole + c.most - 1) / c.most", "return (whole + c.most - 1) / c.most",
		},
		{
			"the channels of a dead node's calls are free when its lease has run out", "demand.go",
			"		s.others += t.share\n		if n.Lapsed {", "		if !n.Lapsed {\n			s.others += t.share\n		} else {",
		},
		{
			"calls are taken over before others know that they have to wait", "takeover.go",
			"if (l.fresh || l.ids == \"\") && !s.announce() {", "if (l.fresh || l.ids == \"\") && !s.announce() && s.takeovers > 1000 {",
		},
		{
			"who takes calls over takes a larger share meanwhile", "nodes.go",
			"draining, s.e.carriers.takeover.Load() != 0", "draining, false",
		},
		{
			"a takeover is over before its calls count", "session.go",
			"s.endTakeover(counted && !s", "s.endTakeover((counted || s.uncounted.Load() > 0) && !s",
		},
		{
			"the channels of calls that a node leaves behind are free", "attempt.go",
			"		a.carrier.leaveBehind(a.units)\n", "",
		},
		{
			"the channels of calls that a node leaves behind are free when it gets other dialers", "retiring.go",
			"		heir.leaveBehind(c.behind)\n", "",
		},
		{
			"channels that are lowered are so at each node by itself", "nodes.go",
			"	c.makeRoom(s)\n", "",
		},
		{
			"what an adoption brings that was given up is looked for once", "takeover.go",
			"since >= most+s.e.cfg.Lease:", "since >= most:",
		},
		{
			"calls that a loop has ended by itself are taken over by it again", "recover.go",
			"case read == nil || read.Before(asked):", "case read == nil || !read.IsZero():",
		},
		{
			"who takes a call over asks for its agent and waits", "call.go",
			"	for wait := first; ; wait = min(2*wait, most) {\n		now",
			"	_, _ = l.s.e.cfg.Directory.Agent(context.Background(), c.Org, c.Agent.ID)\n	for wait := first; ; wait = min(2*wait, most) {\n		now",
		},
		{
			"the channels of a carrier that was taken away are free at once", "nodes.go",
			"for _, one := range inOrder(c.retiring) {", "for _, one := range inOrder(c.retiring)[:0] {",
		},
		{
			"the carrier is tried again after its answer was lost", "outcome.go",
			"certain: errors.Is(err, dialer.ErrNotPlaced) &&", "certain: err != nil &&",
		},
		{
			"calls that were taken over hold no channels", "attempt.go",
			"		a.carrier.force(a.units)\n", "		a.units, a.weighed = 0, true\n		a.carrier.force(0)\n",
		},
		{
			"who waits for its start begins at once", "pace.go",
			"; again.After(now) {\n		return again, false\n", "; p.onWay > 1000 {\n		return again, false\n",
		},
		{
			"a start that is used late comes on top of a full bucket", "pace.go",
			"	missing := 1 - p.tokens\n", "	missing := 0.0\n",
		},
		{
			"the bucket is full after each change of the pace", "pace.go",
			"	p.spare = min(p.spare, rate*usualStep.Seconds())\n	p.tokens, p.free = min(p.tokens, p.room()), min(p.free, p.room())\n",
			"	p.tokens, p.free = burst, burst\n",
		},
		{
			"calls that the store holds up come on top of a full bucket", "pace.go",
			"p.burst+p.spare-float64(p.onWay)", "p.burst",
		},
		{
			"a start that is not used is not given back", "attempt.go",
			"	a.start.giveBack()\n", "",
		},
		{
			"the carrier's calls on their way are forgotten when its dialer is replaced", "pace.go",
			"	p.onWay += q.onWay\n", "",
		},
		{
			"each of several nodes goes by the whole pace", "demand.go",
			"	part, most := float64(share)/whole, float64(c.startsWithin(share))\n",
			"	part, most := 1.0, float64(c.startsWithin(whole))\n",
		},
		{
			"the dialer that replaces another one begins with a full bucket", "carriers.go",
			"if c.pace != nil && before.pace != nil {", "if false {",
		},
		{
			"a batch gets as much as any other, whatever its weight", "share.go",
			"a.inFlight * b.batch.Weight, b.inFlight * a.batch.Weight", "a.inFlight, b.inFlight",
		},
		{
			"who is to end a call by another node's word does not", "refresh.go",
			"		l.sched.cancel(c.ID, dialer.HangUp(dialer.APICancelled), now)\n", "		_, _, _ = c, now, dialer.APICancelled\n",
		},
		{
			"a refused call that was cancelled after its node died is placed again", memory + "event.go",
			"if e.Status == fsm.Queued && !c.HangUpAt.IsZero() {", "if false {",
		},
		{
			"what was claimed under a lease that ran out meanwhile is dialled", "call.go",
			"	case !l.s.leased(now): // the", "	case false: // the",
		},
		{
			"a call is kept that its carrier cannot resume", "attempt.go",
			"		s.ended(a.id, dialer.Outcome{}, errOrphan, now)\n", "		s.setDeadline(a, now.Add(b.RingTimeout+s.grace))\n",
		},
		{
			"who was refused is claimed before who was never tried", memory + "event.go",
			"b.queue.put(r.Attempts, r.Index)", "b.queue.put(0, r.Index)",
		},
		{
			"a recipient of a cancelled batch is queued again", memory + "event.go",
			"		if b.CancelledAt.IsZero() {\n", "		if true {\n",
		},
	}
}

// TestSimMutations has each bug put back and found. Without -mutations it sees only to it that they
// still can be.
func TestSimMutations(t *testing.T) {
	for _, m := range simMutations() {
		for _, e := range m.edits() {
			text, err := os.ReadFile(e.file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(text), e.old), "%s: %s has to have once:\n%s", m.bug, e.file, e.old)
		}
	}
	if !*simMutate {
		t.Skip("run with -mutations, which takes some minutes")
	}
	for _, m := range simMutations() {
		t.Run(m.bug, func(t *testing.T) {
			fmt.Println(m.hunt(t)) // as it comes, since all of them take minutes
		})
	}
}

// hunt has the simulation look for the bug for at most a minute, and returns a line of the table.
func (m mutation) hunt(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "sim.test")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "-overlay", m.overlay(t, dir), ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s: %s", m.bug, out)
	began := time.Now()
	out, err = exec.CommandContext(ctx, program, "-test.run", "TestSim$", "-simtime", "60s", "-simbase", "1000000").CombinedOutput()
	took := time.Since(began)
	seed := regexp.MustCompile(`seed (\d+) failed (.*)`).FindStringSubmatch(string(out))
	if seed == nil {
		t.Errorf("not found within a minute: %s\n%.2000s", m.bug, out)
		return fmt.Sprintf("NOT FOUND  %s (%v)", m.bug, err)
	}
	return fmt.Sprintf("%6.1f s  %-66s  seed %s %.160s", took.Seconds(), m.bug, seed[1], seed[2])
}

// overlay has the compiler read the files with the bug, and no tests but those of the simulation.
func (m mutation) overlay(t *testing.T, dir string) string {
	t.Helper()
	replace := map[string]string{}
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range tests {
		if !strings.HasPrefix(file, "sim") {
			replace[absolute(t, file)] = ""
		}
	}
	for _, e := range m.edits() {
		text, err := os.ReadFile(e.file)
		require.NoError(t, err)
		mutant := filepath.Join(dir, filepath.Base(e.file))
		require.NoError(t, os.WriteFile(mutant, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600))
		replace[absolute(t, e.file)] = mutant
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	return overlay
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	require.NoError(t, err)
	return path
}
