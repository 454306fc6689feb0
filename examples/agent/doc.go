// Command agent is an example of an agent: a server of WebSockets in the message format of Twilio
// Media Streams, which package bridge describes. An agent like it serves calls over SIP and over
// Twilio alike.
//
//	go run ./examples/agent                    # returns what the callee says
//	go run ./examples/agent -say hello.wav     # says it, and hangs up
//	go run ./examples/agent -demo              # calls itself once and ends
//
// It serves on ws://localhost:8090/, which is what an agent's url is to be in the configuration of
// outdial. With -token, a call must bring it as a bearer token.
//
// A file for -say is a WAV of 8,000 samples a second in one channel, with 16 bits or mu-law. The
// agent says it, waits until the mark after it comes back, which is when the callee has
// heard it, and closes the connection, which hangs up. When the callee presses a key in the
// meantime, it begins again: it sends clear, so that the callee hears nothing more of
// what was sent before.
//
// main.go serves, talk.go has what an agent is about, wav.go reads the file, demo.go is
// the other side, for a look without a telephone.
package main
