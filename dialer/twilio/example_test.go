package twilio_test

import (
	"fmt"
	"net/http"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
)

// A carrier that was opened by URL still has a handler to mount.
func ExampleDialer_Handler() {
	d, err := dialer.Open("twilio://AC00000000000000000000000000000001:token@" +
		"?public=https://calls.example.com/twilio&cps=30")
	if err != nil {
		panic(err)
	}
	carrier := d.(*twilio.Dialer)
	defer carrier.Close()
	mux := http.NewServeMux()
	mux.Handle("/twilio/", carrier.Handler())
	fmt.Println(carrier.Limits().CPS)
	// Output: 30
}
