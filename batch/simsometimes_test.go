package batch

import (
	"fmt"
	"strings"
)

// branch is a way things can go that is worth seeing: a run that never went there has not tried it.
type branch uint8

const (
	tookOver branch = iota
	resumed
	resumedUnknown
	resumedRefused
	adoptedUnknown
	adoptedRefused
	fencedNode
	leaseLapsed
	replayedClaims
	replayedEvents
	lateCommit
	movedOn
	strandedCall
	carrierRested
	callerRested
	breakerTripped
	queuedAgain
	cancelledDuringDispatch
	cancelledBefore
	cancelledCall
	placedAfterHangUp
	lastedTooLong
	slotTakenBack
	wentOnUnknown
	dialerPanicked
	dialerLeft
	carrierAskedAgain
	heartbeatFailed
	writeRepeated
	drainedRun
	retriedByKey
	retriedPlain
	noOtherCarrier
	beatOvertaken
	pacedStart
	weighedUnits
	overtookRefused
	cancelledElsewhere
	sparedStranded
	keptUnknown
	beganBesideAdopted
	beganAfterLowering
	unknowingCall
	regionServed
	manyNodes
	branches
)

func (b branch) String() string {
	return [...]string{
		"a call was taken over", "a call was resumed", "the carrier did not know a call to be resumed",
		"the carrier had refused a call to be resumed", "a call taken over ended, its fate unknown",
		"a call taken over had been refused", "a node was fenced", "a lease ran out before what it had claimed was dialled",
		"claims were written by a commit that was not answered",
		"events were written by a commit that was not answered", "a commit came after it was given up",
		"an attempt went on over another carrier", "an attempt waited for another carrier", "a carrier rested",
		"a caller rested", "a breaker tripped", "a recipient was queued again", "a batch was cancelled during a dispatch",
		"a call was cancelled before it was placed", "a call was cancelled", "a call was placed after its end was asked for",
		"a call lasted as long as it may",
		"a slot was taken back from a dialer", "a call of unknown fate went on", "a dialer panicked",
		"a dialer was left behind", "a carrier was asked again about a call", "a heartbeat failed",
		"a step was repeated", "a node stopped as asked", "a retry under a key", "a retry without a key",
		"no other carrier was left", "a heartbeat arrived after a later one",
		"a call began soon after another one at a carrier with a pace", "two batches of other weights wanted the same unit",
		"a recipient that waits was claimed before one that had been refused", "a call was ended by another node than was asked to",
		"a refused call of a dead node was cancelled before another carrier had it",
		"a call that goes on ended as unknown, since its carrier cannot resume it", "a call began at a carrier beside one that was taken over",
		"a call began by channels that had become fewer", "a call began by channels that had become fewer, of which its node did not know",
		"a batch was claimed from in its region", "five nodes or more",
	}[b]
}

// sometimes counts what was seen in a run.
type sometimes struct {
	faults   [faultKinds]int
	branches [branches]int
}

func (s *sometimes) fault(k faultKind) { s.faults[k]++ }
func (s *sometimes) branch(b branch)   { s.branches[b]++ }

func (s *sometimes) add(o *sometimes) {
	for i, n := range o.faults {
		s.faults[i] += n
	}
	for i, n := range o.branches {
		s.branches[i] += n
	}
}

// never returns what was not seen.
func (s *sometimes) never() (names []string) {
	for i, n := range s.faults {
		if n == 0 {
			names = append(names, "fault: "+faultKind(i).String())
		}
	}
	for i, n := range s.branches {
		if n == 0 {
			names = append(names, "branch: "+branch(i).String())
		}
	}
	return names
}

func (s *sometimes) String() string {
	var b strings.Builder
	for i, n := range s.faults {
		fmt.Fprintf(&b, "%10d  %v\n", n, faultKind(i))
	}
	for i, n := range s.branches {
		fmt.Fprintf(&b, "%10d  %v\n", n, branch(i))
	}
	return b.String()
}

// logged counts by what the engine says.
func (s *sometimes) logged(message string) {
	for _, x := range []struct {
		text string
		b    branch
	}{
		{"the node's lease ran out", fencedNode},
		{"a dialer panicked", dialerPanicked},
		{"a dialer does not end its calls", dialerLeft},
		{"the carrier cannot say", carrierAskedAgain},
		{"renewing the lease failed", heartbeatFailed},
		{"writing to the store failed", writeRepeated},
	} {
		if strings.HasPrefix(message, x.text) {
			s.branch(x.b)
		}
	}
}

type endText struct {
	text string
	b    branch
}

// simEndTexts are what the engine writes with an end, for each way of ending that is seen by it.
var simEndTexts = []endText{
	{errOrphan.Error(), adoptedUnknown},
	{"the carrier refused it before the engine stopped", adoptedRefused},
	{"the lease ran out first", leaseLapsed},
	{"the dialer did not end the call in time", slotTakenBack},
	{"no other carrier of the number is left", noOtherCarrier},
}
