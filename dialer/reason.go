package dialer

import "slices"

// EndReason says why a call ended. Every call has exactly one. The set is that of
// the HTTP contract and closed: what else is known goes into [Outcome].Details.
type EndReason string

// The end reasons.
const (
	AgentHangup        EndReason = "agent_hangup"        // the agent hung up
	ClientHangup       EndReason = "client_hangup"       // the callee hung up
	APICancelled       EndReason = "api_cancelled"       // somebody cancelled the call
	MaxDuration        EndReason = "max_duration"        // it lasted as long as it may
	Inactivity         EndReason = "inactivity"          // nothing was heard for too long
	ClientDisconnected EndReason = "client_disconnected" // the connection to the callee broke
	DialBusy           EndReason = "dial_busy"           // busy, or refused by the callee
	DialFailed         EndReason = "dial_failed"         // the network could not reach the number
	DialNoAnswer       EndReason = "dial_no_answer"      // it rang and nobody answered
	Error              EndReason = "error"               // something broke, or the fate of the call is unknown
)

//nolint:gochecknoglobals // the members of an enumeration, never written to
var reasons = []EndReason{
	AgentHangup, ClientHangup, APICancelled, MaxDuration, Inactivity,
	ClientDisconnected, DialBusy, DialFailed, DialNoAnswer, Error,
}

// EndReasons returns every end reason, in the order of the HTTP contract's prose.
func EndReasons() []EndReason { return slices.Clone(reasons) }

// Valid says whether r is one of the end reasons above.
func (r EndReason) Valid() bool { return slices.Contains(reasons, r) }

// Completes says whether a call that ended like this counts as completed rather
// than failed. A cancelled call does if it had connected.
func (r EndReason) Completes(connected bool) bool {
	switch r {
	case AgentHangup, ClientHangup, MaxDuration, Inactivity, ClientDisconnected:
		return true
	case APICancelled:
		return connected
	case DialBusy, DialFailed, DialNoAnswer, Error:
	}
	return false
}
