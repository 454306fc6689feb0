package httpapi

import (
	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// appendRecipient writes a recipient, with its metadata if it was read. The zero Waiting: it
// does not wait, or it is not known why it does.
func appendRecipient(b []byte, r store.Recipient, waiting batch.Waiting) []byte {
	b = appendRecipientState(b, r)
	if waiting.Reason != "" {
		b = appendWaiting(appendKey(b, "waiting"), waiting)
	}
	if r.Metadata != nil {
		b = append(appendKey(b, "metadata"), r.Metadata...) // byte for byte: big numbers keep their digits
	}
	return append(b, '}')
}

// appendRecipientEvent writes a recipient as events show it: with its batch, since the events of a whole
// organisation come in one stream, and without metadata, which never changes.
func appendRecipientEvent(b []byte, r store.Recipient) []byte {
	b = appendWord(appendRecipientState(b, r), "batch_id", r.BatchID)
	return append(b, '}')
}

// appendRecipientState leaves the object open.
func appendRecipientState(b []byte, r store.Recipient) []byte {
	b = append(append(b, `{"id":"`...), r.ID()...)
	b = append(b, '"')
	b = appendWord(b, "to_number", string(r.To))
	b = appendWord(b, "status", r.Status.String())
	b = appendOptionalWord(b, "agent_call_id", r.CallID)
	b = appendOptionalWord(b, "end_reason", string(r.EndReason))
	b = appendOptionalText(b, "error_message", r.Error)
	b = appendTime(b, "created_at", r.CreatedAt)
	b = appendNumber(b, "attempts", r.Attempts)
	return appendTime(b, "last_updated_at", r.UpdatedAt)
}

func appendWaiting(b []byte, w batch.Waiting) []byte {
	b = append(append(b, `{"reason":"`...), w.Reason...)
	b = append(b, '"')
	b = appendText(b, "detail", w.Detail)
	b = appendNumber(b, "position", w.Position)
	b = appendOptionalTime(b, "until", w.Until)
	return append(b, '}')
}
