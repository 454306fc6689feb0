// Package standin stands in for Twilio in tests: the four operations on calls, the lives of the
// calls, status callbacks, answering machine detection and Media Streams, as Twilio documents them, with faults
// by script. Nobody's phone rings, but the books say whose would have, and how often.
package standin
