package dialertest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// caught is the rules that must catch a flaw, each with what its message has to match.
type caught map[string]string

// flaw is one thing wrong with an otherwise sound dialer.
type flaw struct {
	name     string
	caughtBy caught

	fault   fake.Fault                                 // of every call
	outcome func(dialer.Call, *dialer.Outcome)         // falsifies the outcomes of Dial
	err     func(dialer.Outcome, error) error          // falsifies the errors of Dial
	report  func(report reportFunc) reportFunc         // falsifies the reports of Dial and Resume
	dial    func(*testing.T, resumer, placing) placing // replaces Dial
	resume  func(resumer, placing) placing             // replaces Resume
	hide    func(resumer) dialer.Dialer                // wraps the dialer
}

func flaws() []flaw {
	var all []flaw
	for _, some := range [][]flaw{
		faultFlaws(), outcomeFlaws(), errorFlaws(), reportFlaws(), dialFlaws(), resumeFlaws(), wrapperFlaws(),
	} {
		all = append(all, some...)
	}
	return all
}

func faultFlaws() []flaw {
	return []flaw{
		{
			name: "reports the last stage after the return", fault: fake.ReportLate,
			caughtBy: caught{
				"NothingIsReportedAfterReturn": "was reported after the return",
				"ResumeReportsLikeDial":        "was reported after the return",
			},
		},
		{
			name: "reports in the wrong order", fault: fake.ReportReversed,
			caughtBy: caught{"StagesAreReportedInOrder": "is not ringing after|reported"},
		},
		{
			name: "reports each stage twice", fault: fake.ReportTwice,
			caughtBy: caught{
				"EachStageIsReportedOnce": `reported \[accepted accepted`,
				"ResumeReportsLikeDial":   `reported \[accepted accepted`,
			},
		},
		{
			name: "ignores its context", fault: fake.IgnoreCancel,
			caughtBy: caught{
				"CancelWhileRingingHangsUp":         "has not returned",
				"CancelWhileTalkingHangsUp":         "has not returned",
				"HangUpWhileRingingGivesItsReason":  "has not returned",
				"HangUpWhileTalkingGivesItsReason":  "has not returned",
				"DeadlineWhileRingingIsNoAnswer":    "has not returned",
				"DeadlineWhileTalkingIsMaxDuration": "has not returned",
				"DetachWhileRingingReturnsAtOnce":   "has not returned",
				"DetachWhileTalkingReturnsAtOnce":   "has not returned",
				"ManyCallsAtOnceAreSafe":            "has not returned",
			},
		},
		{
			name: "lets it ring for ever", fault: fake.IgnoreRingTimeout,
			caughtBy: caught{"RingTimeoutIsNoAnswer": "has not returned"},
		},
		{
			name: "lets it last for ever", fault: fake.IgnoreMaxDuration,
			caughtBy: caught{
				"MaxDurationEndsTheCall":         "has not returned",
				"ResumeFollowsALiveCallToItsEnd": "has not returned",
			},
		},
		{
			name: "panics", fault: fake.PanicWhileRinging,
			caughtBy: caught{"EveryCallHasOneOutcome": "panic"},
		},
		{
			name: "loses the reply", fault: fake.LoseReply,
			caughtBy: caught{"EveryCallHasOneOutcome": "ended before it was|reply"},
		},
	}
}

func outcomeFlaws() []flaw {
	return []flaw{
		{
			name: "has a reason of its own", outcome: func(_ dialer.Call, o *dialer.Outcome) { o.Reason += "_by_carrier" },
			caughtBy: caught{"ReasonIsValid": "does not exist", "EveryCallHasOneOutcome": "by_carrier"},
		},
		{
			name: "takes busy for failed", outcome: func(_ dialer.Call, o *dialer.Outcome) {
				if o.Reason == dialer.DialBusy {
					o.Reason = dialer.DialFailed
				}
			},
			caughtBy: caught{"BusyCalleeIsDialBusy": "dial_failed"},
		},
		{
			name: "ended before it rang", outcome: func(_ dialer.Call, o *dialer.Outcome) {
				o.EndedAt = o.RangAt.Add(-time.Second)
			},
			caughtBy: caught{"TimesAreInOrder": "rang at .* ended at"},
		},
		{
			name: "every call connected", outcome: func(_ dialer.Call, o *dialer.Outcome) { o.ConnectedAt = o.EndedAt },
			caughtBy: caught{"UnansweredCallNeverConnected": "busy: connected at"},
		},
		{
			name: "forgets that it connected", outcome: func(_ dialer.Call, o *dialer.Outcome) { o.ConnectedAt = time.Time{} },
			caughtBy: caught{
				"AnsweredCallConnected":        "never connected",
				"UnansweredCallNeverConnected": "answered: never connected",
				"ReportsAgreeWithTheOutcome":   "reported as connected",
			},
		},
		{
			name: "has one reference for all calls", outcome: func(_ dialer.Call, o *dialer.Outcome) { o.Ref = "CA0" },
			caughtBy: caught{"RefIsTheSameThroughout": `the reference is .*, then|the same reference "CA0"`},
		},
		{
			name: "takes every cancel for api_cancelled", outcome: func(_ dialer.Call, o *dialer.Outcome) {
				if o.Reason == dialer.Inactivity || o.Reason == dialer.MaxDuration || o.Reason == dialer.DialNoAnswer {
					o.Reason = dialer.APICancelled
				}
			},
			caughtBy: caught{
				"HangUpWhileRingingGivesItsReason":  `expected the reason "inactivity"`,
				"HangUpWhileTalkingGivesItsReason":  `expected the reason "inactivity"`,
				"DeadlineWhileRingingIsNoAnswer":    `expected the reason "dial_no_answer"`,
				"DeadlineWhileTalkingIsMaxDuration": `expected the reason "max_duration"`,
				"CancelBeforeDialRingsNobody":       "api_cancelled",
			},
		},
	}
}

var errPlain = errors.New("status 400")

func errorFlaws() []flaw {
	return []flaw{
		{
			name: "does not say that a refused call was not placed",
			err: func(_ dialer.Outcome, err error) error {
				if errors.Is(err, dialer.ErrNotPlaced) {
					return errPlain
				}
				return err
			},
			caughtBy: caught{
				"RefusedCallWrapsErrNotPlaced": "status 400",
				"UnavailableCarrierSaysSo":     "status 400",
				"ManyCallsAtOnceAreSafe":       "status 400",
			},
		},
		{
			name: "says that a busy call was not placed",
			err: func(o dialer.Outcome, err error) error {
				if o.Reason == dialer.DialBusy {
					return dialer.ErrNotPlaced
				}
				return err
			},
			caughtBy: caught{"OnlyUnplacedCallsWrapErrNotPlaced": "busy: the carrier took the call"},
		},
		{
			name:    "has an outcome with the error",
			outcome: func(_ dialer.Call, o *dialer.Outcome) { o.EndedAt = time.Now() },
			caughtBy: caught{
				"EveryCallHasOneOutcome":          "has an error and an outcome",
				"DetachWhileTalkingReturnsAtOnce": "and has an outcome",
			},
		},
	}
}
