package sip_test

import (
	"fmt"
	"log"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// Two trunks, of which the second takes the calls that the first cannot.
func ExampleNew() {
	d, err := sip.New(sip.Config{
		Trunks: []sip.Trunk{
			{Name: "main", Host: "192.0.2.5", Transport: sip.TLS, User: "acme", Secret: "from the environment", KeepAlive: -1},
			{Name: "spare", Host: "192.0.2.6", Identity: sip.Asserted, KeepAlive: -1},
		},
		Limits:  dialer.Limits{Channels: 200, CPS: 20},
		Headers: map[string]string{"campaign": "X-Campaign"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at most", d.Limits().Channels, "calls at once")
	if err := d.Close(); err != nil { // hangs up what is left
		log.Fatal(err)
	}
	// Output: at most 200 calls at once
}
