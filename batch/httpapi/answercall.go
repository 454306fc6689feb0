package httpapi

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// shownCall is a call with what an answer tells besides the record.
type shownCall struct {
	store.Call

	accountType string          // empty: not told
	region      string          // of its batch; empty: not told
	metadata    json.RawMessage // of its recipient; nil: none, or not told
}

func appendCall(b []byte, c shownCall) []byte {
	b = appendString(append(b, `{"id":`...), c.ID)
	b = appendText(b, "agent_id", c.AgentID)
	b = appendWord(b, "status", callStatus(c.Status))
	b = appendTime(b, "start_time", c.DispatchedAt) // lists are in this order and filtered by it
	b = appendOptionalTime(b, "end_time", c.EndedAt)
	b = appendOptionalWord(b, "end_reason", string(c.EndReason))
	b = appendOptionalText(b, "error_message", c.Error)
	b = appendTelephony(b, c.Call)
	b = appendOptionalText(b, "telephony_account_type", c.accountType)
	b = appendOptionalText(b, "region", c.region)
	b = appendText(b, "batch_id", c.BatchID)
	b = appendWord(b, "recipient_id", c.RecipientID())
	b = appendNumber(b, "attempt", c.Attempt)
	b = appendText(b, "carrier", c.Carrier)
	b = appendOptionalTime(b, "rang_at", c.RangAt)
	b = appendOptionalTime(b, "connected_at", c.StartedAt)
	b = appendDetails(b, c.Details)
	if c.metadata != nil {
		b = append(appendKey(b, "metadata"), c.metadata...)
	}
	return append(b, '}')
}

// callStatus spells the status as the contract does for calls, which are created where their
// recipients are dispatched.
func callStatus(s fsm.RecipientStatus) string {
	if s == fsm.Dispatched {
		return "created"
	}
	return s.String()
}

func appendTelephony(b []byte, c store.Call) []byte {
	b = append(appendKey(b, "telephony_params"), `{"to":`...)
	b = appendString(b, string(c.To))
	b = appendWord(b, "from", string(c.From))
	b = appendOptionalText(b, "call_sid", c.Ref)
	b = appendWord(b, "direction", "outbound")
	return append(b, '}')
}

func appendDetails(b []byte, details map[string]string) []byte {
	if len(details) == 0 {
		return b
	}
	b = appendKey(b, "details")
	comma := byte('{')
	for _, key := range slices.Sorted(maps.Keys(details)) {
		b = append(appendString(append(b, comma), key), ':')
		b = appendString(b, details[key])
		comma = ','
	}
	return append(b, '}')
}
