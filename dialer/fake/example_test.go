package fake_test

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// A test scripts what its callees do, and judges the caller by the carrier's books.
func Example() {
	carrier, err := fake.New(fake.Config{Books: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer carrier.Close()
	const ada = dialer.Phone("+14155550123")
	carrier.Script(ada,
		fake.Behaviour{End: dialer.DialBusy},    // the first attempt
		fake.Behaviour{End: dialer.AgentHangup}, // the second, and all further ones
	)

	d := carrier.Dialer()
	for attempt := 1; attempt <= 2; attempt++ {
		call := dialer.Call{
			ID: fmt.Sprint("call_", attempt), Recipient: "ada", Attempt: attempt,
			From: "+442071838750", To: ada,
		}
		outcome, err := d.Dial(context.Background(), call, func(dialer.Progress) {})
		fmt.Println(call.To, outcome.Reason, err)
	}

	books := carrier.Books()
	fmt.Println("dialled", books.Dials(fake.Scope{Recipient: "ada"}))
	fmt.Println("rang", books.Rings(fake.Scope{Recipient: "ada"}))
	fmt.Println("rang twice", len(books.DoubleRings()))
	// Output:
	// +1415•••0123 dial_busy <nil>
	// +1415•••0123 agent_hangup <nil>
	// dialled 2
	// rang 1
	// rang twice 0
}

// A carrier for a demonstration is opened by URL.
func Example_url() {
	d, err := dialer.Open("fake://demo?answer=1&ring=0&talk=0&seed=7")
	if err != nil {
		fmt.Println(err)
		return
	}
	call := dialer.Call{ID: "call_1", Attempt: 1, From: "+442071838750", To: "+14155550123"}
	outcome, err := d.Dial(context.Background(), call, func(p dialer.Progress) { fmt.Println(p.Stage) })
	fmt.Println(outcome.Reason.Completes(true), err)
	// Output:
	// accepted
	// ringing
	// connected
	// true <nil>
}
