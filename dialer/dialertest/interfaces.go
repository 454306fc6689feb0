package dialertest

import "github.com/outdial/outdial/dialer"

func interfaceRules() []rule {
	return []rule{
		{
			"OptionalInterfacesAreThere",
			"a dialer has the optional interfaces that its harness names and no other; one that wraps another forwards them",
			optionalInterfacesAreThere,
		},
		{
			"LimitsMakeSense",
			"a limit is 0, which is none, or more; and the same when it is asked for again",
			limitsMakeSense,
		},
	}
}

func optionalInterfacesAreThere(tr *trial) {
	if _, is := tr.Dialer.(dialer.Resumer); is != tr.Resumer {
		tr.Errorf("is the dialer a dialer.Resumer? %t: the harness says %t", is, tr.Resumer)
	}
	if _, is := tr.Dialer.(dialer.Limiter); is != tr.Limiter {
		tr.Errorf("is the dialer a dialer.Limiter? %t: the harness says %t", is, tr.Limiter)
	}
}

func limitsMakeSense(tr *trial) {
	limiter, ok := tr.Dialer.(dialer.Limiter)
	if !ok {
		tr.Skip("the dialer is no dialer.Limiter")
	}
	limits := limiter.Limits()
	if limits.Channels < 0 || limits.CPS < 0 || limits.Burst < 0 || limits.CPS != limits.CPS {
		tr.Errorf("the limits are %+v: expected none below 0", limits)
	}
	if again := limiter.Limits(); again != limits {
		tr.Errorf("the limits are %+v, then %+v", limits, again)
	}
}
