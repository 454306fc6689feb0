package dialertest

import "github.com/outdial/outdial/dialer"

// ending is a way in which a call can end.
type ending struct {
	name  string
	begin func(*trial) *watched
	until dialer.Stage // cancelled when it has come so far; 0: it ends without
	want  func(dialer.Outcome) bool
}

func endings() []ending {
	is := func(reason dialer.EndReason) func(dialer.Outcome) bool {
		return func(o dialer.Outcome) bool { return o.Reason == reason }
	}
	return []ending{
		{"answered", func(tr *trial) *watched { return tr.dial(Answers) }, 0, isCompleted},
		{"busy", func(tr *trial) *watched { return tr.dial(Busy) }, 0, is(dialer.DialBusy)},
		{"not answered", (*trial).dialBriefRing, 0, is(dialer.DialNoAnswer)},
		{"too long", (*trial).dialBriefTalk, 0, is(dialer.MaxDuration)},
		{
			"cancelled while ringing", func(tr *trial) *watched { return tr.dial(RingsForever) },
			dialer.Ringing, is(dialer.APICancelled),
		},
		{
			"cancelled while talking", func(tr *trial) *watched { return tr.dial(TalksForever) },
			dialer.Connected, is(dialer.APICancelled),
		},
	}
}

func isCompleted(o dialer.Outcome) bool {
	return o.Reason.Completes(true) && o.Reason != dialer.APICancelled && o.Reason != dialer.MaxDuration
}

// dialBriefRing calls somebody who never answers, and gives up as early as possible.
func (tr *trial) dialBriefRing() *watched {
	call := tr.call(RingsForever)
	call.RingTimeout = tr.Shortest
	return tr.dialCall(call)
}

// dialBriefTalk calls somebody who talks without end, as briefly as possible.
func (tr *trial) dialBriefTalk() *watched {
	call := tr.call(TalksForever)
	call.MaxDuration = tr.Shortest
	return tr.dialCall(call)
}

// every makes one call for each way to end, at the same time, and returns them when they
// are over. What a rule says of every call, it checks on these.
func (tr *trial) every() map[string]*watched {
	tr.Helper()
	calls := map[string]*watched{}
	for _, e := range endings() {
		calls[e.name] = e.begin(tr)
	}
	for _, e := range endings() {
		if e.until != 0 {
			calls[e.name].wait(e.until).cancel(nil)
		}
	}
	for _, w := range calls {
		w.over()
	}
	return calls
}
