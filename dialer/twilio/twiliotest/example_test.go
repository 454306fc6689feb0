package twiliotest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// A test scripts what its callees do, and judges the caller by the account's books.
func Example() {
	const sid, token, ada = "AC00000000000000000000000000000001", "token", "+14155550123"
	carrier := twiliotest.New(twiliotest.Config{AccountSID: sid, AuthToken: token})
	defer carrier.Close()
	carrier.Script(ada, twiliotest.Behaviour{
		Ring: 10 * time.Millisecond, End: "busy",
		Create: []twiliotest.Fault{{Accept: true, Reset: true}}, // the call is placed, and the answer is lost
	})
	api := httptest.NewServer(carrier)
	defer api.Close()

	mux := http.NewServeMux()
	host := httptest.NewServer(mux)
	defer host.Close()
	d, err := dialer.Open("twilio://" + sid + ":" + token + "@?insecure=loopback&base=" + api.URL +
		"&public=" + host.URL + "/twilio")
	if err != nil {
		fmt.Println(err)
		return
	}
	mux.Handle("/twilio/", d.(*twilio.Dialer).Handler())
	defer d.(*twilio.Dialer).Close()

	call := dialer.Call{
		ID: "ac_1", From: "+442071838750", To: ada, Agent: dialer.Agent{URL: "wss://agent.example"},
		RingTimeout: time.Minute, PlacedAt: time.Now(),
	}
	outcome, err := d.Dial(context.Background(), call, func(dialer.Progress) {})
	fmt.Println(outcome.Reason, err)
	for _, e := range carrier.Books() {
		fmt.Println(e.CallID, e.Status, e.Rang)
	}
	// Output:
	// dial_busy <nil>
	// ac_1 busy true
}
