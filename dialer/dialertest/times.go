package dialertest

import (
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

func timeRules() []rule {
	return []rule{
		{
			"TimesAreInOrder",
			"a call rang, then connected, then ended; what did not happen has no time",
			timesAreInOrder,
		},
		{
			"UnansweredCallNeverConnected",
			"a call whose ConnectedAt is zero never connected, and no other is",
			unansweredCallNeverConnected,
		},
		{
			"ReportsAgreeWithTheOutcome",
			"what was reported is in the outcome: a call reported as connected has a time for it",
			reportsAgreeWithTheOutcome,
		},
	}
}

func timesAreInOrder(tr *trial) {
	for name, w := range tr.every() {
		o := w.outcome
		var before time.Time
		for _, at := range []time.Time{o.RangAt, o.ConnectedAt, o.EndedAt} {
			if at.IsZero() {
				continue
			}
			if at.Before(before) {
				tr.Errorf("%s: rang at %v, connected at %v, ended at %v", name, o.RangAt, o.ConnectedAt, o.EndedAt)
			}
			before = at
		}
	}
}

func unansweredCallNeverConnected(tr *trial) {
	calls := tr.every()
	for _, name := range []string{"busy", "not answered", "cancelled while ringing"} {
		if at := calls[name].outcome.ConnectedAt; !at.IsZero() {
			tr.Errorf("%s: connected at %v", name, at)
		}
	}
	for _, name := range []string{"answered", "too long", "cancelled while talking"} {
		if calls[name].outcome.ConnectedAt.IsZero() {
			tr.Errorf("%s: never connected", name)
		}
	}
}

func reportsAgreeWithTheOutcome(tr *trial) {
	for name, w := range tr.every() {
		stages := w.stages()
		if slices.Contains(stages, dialer.Connected) && w.outcome.ConnectedAt.IsZero() {
			tr.Errorf("%s: reported as connected, but the outcome has no time for it", name)
		}
		if slices.Contains(stages, dialer.Ringing) && w.outcome.RangAt.IsZero() {
			tr.Errorf("%s: reported as ringing, but the outcome has no time for it", name)
		}
	}
}
