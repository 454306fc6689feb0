package twilio

import "github.com/outdial/outdial/dialer"

// verdict is how a stream ended, as far as it is known here who did it.
type verdict uint8

const (
	noStream    verdict = iota
	streaming           // it goes on
	stopped             // Twilio said stop: the callee hung up, or the call was ended
	broken              // the connection with Twilio broke
	silent              // nothing came from Twilio
	agentHungUp         // the agent closed its connection
	agentLost           // the connection with the agent broke
	agentFailed         // the agent could not be reached, or did what it may not
)

// reason is the end reason of a call whose stream ended like this before it did. Empty: the end
// of the call is the callee's.
func (v verdict) reason() dialer.EndReason {
	switch v {
	case agentHungUp:
		return dialer.AgentHangup
	case agentLost, broken:
		return dialer.ClientDisconnected
	case agentFailed:
		return dialer.Error
	case silent:
		return dialer.Inactivity
	case noStream, streaming, stopped:
	}
	return ""
}
