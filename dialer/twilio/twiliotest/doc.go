// Package twiliotest stands in for Twilio in tests: the four operations on calls, the account's own
// resource, the lives of the calls, status callbacks, answering machine detection and Media Streams, as
// Twilio documents them, with faults by script. Nobody's phone rings, but the books say
// whose would have, and how often.
//
// A [Twilio] is an http.Handler, to be served on the loopback interface. A dialer is pointed at it by its
// base URL; it calls back to the dialer's public URL, which may be on the loopback interface, too:
//
//	carrier := twiliotest.New(twiliotest.Config{AccountSID: sid, AuthToken: token})
//	defer carrier.Close()
//	api := httptest.NewServer(carrier)
//	defer api.Close()
//	url := "twilio://" + sid + ":" + token + "@?insecure=loopback&base=" + api.URL +
//		"&public=http://127.0.0.1:8080/carriers/twilio"
//
// [Twilio.Script] says what becomes of calls to a number before it is called; [Twilio.Default] of those
// to all others.
package twiliotest
