package dialertest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
)

// resumer is what the sound dialer is, and a flawed one unless its flaw is to be less.
type resumer interface {
	dialer.Resumer
	dialer.Limiter
}

type (
	reportFunc = func(dialer.Progress)
	placing    = func(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error)
)

// flawed is a sound dialer with a flaw laid over it.
type flawed struct {
	resumer

	dial, resume placing
}

func (d flawed) Dial(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	return d.dial(ctx, call, report)
}

func (d flawed) Resume(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	return d.resume(ctx, call, report)
}

func (f flaw) dialer(t *testing.T, sound resumer) dialer.Dialer {
	t.Helper()
	if f.hide != nil {
		return f.hide(sound)
	}
	d := flawed{resumer: sound, dial: sound.Dial, resume: sound.Resume}
	if f.dial != nil {
		d.dial = f.dial(t, sound, sound.Dial)
	}
	if f.resume != nil {
		d.resume = f.resume(sound, sound.Resume)
	}
	d.dial, d.resume = f.falsified(d.dial), f.misreported(d.resume)
	return d
}

func (f flaw) falsified(place placing) placing {
	place = f.misreported(place)
	return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
		o, err := place(ctx, call, report)
		if f.outcome != nil {
			f.outcome(call, &o)
		}
		if f.err != nil {
			err = f.err(o, err)
		}
		return o, err
	}
}

func (f flaw) misreported(place placing) placing {
	if f.report == nil {
		return place
	}
	return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
		return place(ctx, call, f.report(report))
	}
}

func reportFlaws() []flaw {
	return []flaw{
		{
			name: "reports from two goroutines at once",
			report: func(report reportFunc) reportFunc {
				return func(p dialer.Progress) {
					var both sync.WaitGroup
					for range 64 { // two do not always meet
						both.Go(func() { report(p) })
					}
					both.Wait()
				}
			},
			caughtBy: caught{"ReportsComeOneAtATime": "while another was under way"},
		},
		{
			name: "reports a stage that does not exist",
			report: func(report reportFunc) reportFunc {
				return func(p dialer.Progress) {
					p.Stage++
					report(p)
				}
			},
			caughtBy: caught{"EveryReportHasAStage": "the stage 4 does not exist"},
		},
		{
			name: "reports from the end to the beginning",
			report: func(report reportFunc) reportFunc {
				return func(p dialer.Progress) {
					report(dialer.Progress{Stage: dialer.Connected})
					report(p)
				}
			},
			caughtBy: caught{"StagesAreReportedInOrder": `reported \[connected accepted`},
		},
	}
}

func dialFlaws() []flaw {
	return []flaw{
		{
			name: "leaves a goroutine behind", dial: leaking,
			caughtBy: caught{"NoGoroutineIsLeftBehind": "are left behind by"},
		},
		{
			name: "leaves cancelled calls live", dial: abandoning,
			caughtBy: caught{
				"NoCallIsLeftLive":          "no call is live at the carrier: not so",
				"CancelWhileTalkingHangsUp": "no call is live at the carrier: not so",
			},
		},
		{
			name: "gives up too early", dial: func(_ *testing.T, _ resumer, dial placing) placing {
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					call.RingTimeout, call.MaxDuration = time.Millisecond, time.Millisecond
					return dial(ctx, call, report)
				}
			},
			caughtBy: caught{"RingTimeoutIsNoAnswer": "it had 20ms"},
		},
		{
			name: "takes RingTimeout for the whole call", dial: func(_ *testing.T, _ resumer, dial placing) placing {
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					ctx, cancel := context.WithTimeoutCause(ctx, call.RingTimeout, dialer.HangUp(dialer.DialNoAnswer))
					defer cancel()
					return dial(ctx, call, report)
				}
			},
			caughtBy: caught{"RingTimeoutSparesAnsweredCalls": `expected the reason "max_duration"`},
		},
		{
			name: "rings whatever the context and the carrier say", dial: func(_ *testing.T, _ resumer, dial placing) placing {
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					report(dialer.Progress{Stage: dialer.Ringing})
					return dial(ctx, call, report)
				}
			},
			caughtBy: caught{
				"CancelBeforeDialRingsNobody": "the phone rang",
				"RefusedCallRingsNobody":      "reported",
			},
		},
		{
			name: "takes one call at a time", dial: func(_ *testing.T, _ resumer, dial placing) placing {
				var mu sync.Mutex
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					mu.Lock()
					defer mu.Unlock()
					return dial(ctx, call, report)
				}
			},
			caughtBy: caught{"ManyCallsAtOnceAreSafe": `after (300ms|3s|10s)`},
		},
		{
			name: "serves one call only", dial: serving(1),
			caughtBy: caught{"CancelAfterTheEndChangesNothing": "has not returned"},
		},
	}
}

// leaking keeps a goroutine for each call until the test is over.
func leaking(t *testing.T, _ resumer, dial placing) placing {
	t.Helper()
	var left sync.WaitGroup
	over := make(chan struct{})
	t.Cleanup(func() {
		close(over)
		left.Wait()
	})
	return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
		left.Go(func() { <-over })
		return dial(ctx, call, report)
	}
}

// abandoning lets go of a call where it should hang up.
func abandoning(_ *testing.T, _ resumer, dial placing) placing {
	return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
		inner, letGo := context.WithCancelCause(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, func() { letGo(dialer.ErrDetached) })
		defer stop()
		o, err := dial(inner, call, report)
		if ctx.Err() != nil {
			return dialer.Outcome{Reason: dialer.HangUpReason(ctx, true)}, nil
		}
		return o, err
	}
}

// serving has only so many channels, and never frees one.
func serving(channels int) func(*testing.T, resumer, placing) placing {
	return func(_ *testing.T, _ resumer, dial placing) placing {
		free := make(chan struct{}, channels)
		return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
			select {
			case free <- struct{}{}:
				return dial(ctx, call, report)
			case <-ctx.Done():
				return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false)}, nil
			}
		}
	}
}

func resumeFlaws() []flaw {
	return []flaw{
		{
			name:   "places the call that it is to resume",
			resume: func(sound resumer, _ placing) placing { return sound.Dial },
			caughtBy: caught{
				"ResumeNeverPlacesACall":                "a call that was never placed ended with",
				"ResumeOfAnUnknownCallIsErrUnknownCall": "resumed with the reference",
			},
		},
		{
			name: "knows no call", resume: func(resumer, placing) placing {
				return func(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
					return dialer.Outcome{}, dialer.ErrUnknownCall
				}
			},
			caughtBy: caught{
				"ResumeOfAnEndedCallReturnsItsOutcome": "does not know the call",
				"ResumeFollowsALiveCallToItsEnd":       "does not know the call",
				"CancelledResumeHangsUp":               "does not know the call",
			},
		},
		{
			name: "cannot let go of a call that it resumed", resume: func(_ resumer, resume placing) placing {
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					inner, hangUp := context.WithCancelCause(context.WithoutCancel(ctx))
					stop := context.AfterFunc(ctx, func() { hangUp(nil) })
					defer stop()
					return resume(inner, call, report)
				}
			},
			caughtBy: caught{"DetachedResumeReturnsAtOnce": "expected ErrDetached"},
		},
		{
			name: "hangs up when it is to let go", dial: func(_ *testing.T, _ resumer, dial placing) placing {
				return func(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
					inner, hangUp := context.WithCancelCause(context.WithoutCancel(ctx))
					stop := context.AfterFunc(ctx, func() { hangUp(nil) })
					defer stop()
					o, err := dial(inner, call, report)
					if dialer.Detached(ctx) {
						return dialer.Outcome{}, dialer.ErrDetached
					}
					return o, err
				}
			},
			caughtBy: caught{
				"DetachWhileRingingReturnsAtOnce": "0 calls are live",
				"DetachWhileTalkingReturnsAtOnce": "0 calls are live",
			},
		},
	}
}

// noResumer hides an optional interface, as a careless wrapper does.
type noResumer struct{ dialer.Dialer }

type oddLimits struct{ dialer.Resumer }

func (oddLimits) Limits() dialer.Limits { return dialer.Limits{Channels: -1} }

func wrapperFlaws() []flaw {
	return []flaw{
		{
			name: "hides the optional interfaces", hide: func(sound resumer) dialer.Dialer { return noResumer{sound} },
			caughtBy: caught{"OptionalInterfacesAreThere": "the harness says true"},
		},
		{
			name: "admits fewer calls than none", hide: func(sound resumer) dialer.Dialer { return oddLimits{sound} },
			caughtBy: caught{"LimitsMakeSense": "expected none below 0"},
		},
	}
}
