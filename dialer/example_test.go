package dialer_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/outdial/outdial/dialer"
)

// answeringMachine is a carrier on which one callee, always the same, picks up.
type answeringMachine struct{ limits dialer.Limits }

func (answeringMachine) Dial(
	_ context.Context, _ dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	report(dialer.Progress{Stage: dialer.Connected})
	return dialer.Outcome{Reason: dialer.ClientHangup}, nil
}

func (m answeringMachine) Limits() dialer.Limits { return m.limits }

// A carrier kind of a host's own is opened by URL like those of this module.
func ExampleURLMux() {
	var carriers dialer.URLMux
	carriers.Handle("machine", func(u *url.URL) (dialer.Dialer, error) {
		p := dialer.ParseParams(u)
		m := answeringMachine{limits: p.Limits()}
		return m, p.Err()
	})

	d, err := carriers.Open("machine://?channels=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	call := dialer.Call{ID: "call_1", From: "+442071838750", To: "+14155550123"}
	outcome, err := d.Dial(context.Background(), call, func(p dialer.Progress) {
		fmt.Println(call.To, p.Stage)
	})
	fmt.Println(outcome.Reason, err)

	_, err = carriers.Open("machine://?chanels=1")
	fmt.Println(err)
	// Output:
	// +1415•••0123 connected
	// client_hangup <nil>
	// dialer: opening a machine carrier: unknown parameter chanels: expected any of channels, cps, burst
}
