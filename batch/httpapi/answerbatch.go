package httpapi

import (
	"strconv"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// appendBatch writes a batch without its recipients, as lists, changes and events show it.
func appendBatch(b []byte, x store.Batch) []byte {
	return appendBatchWaiting(b, x, batch.Waiting{})
}

// appendBatchWaiting tells as well why its next recipient waits, if one does and it is known.
func appendBatchWaiting(b []byte, x store.Batch, next batch.Waiting) []byte {
	b = appendCursor(appendBatchState(appendBatchHead(b, x), x, x.Counts), x.Rev)
	if next.Reason != "" {
		b = appendWaiting(appendKey(b, "waiting"), next.At(0))
	}
	return append(b, '}')
}

// appendBatchHead writes what never changes, and leaves the object open.
func appendBatchHead(b []byte, x store.Batch) []byte {
	b = appendString(append(b, `{"id":`...), x.ID)
	b = appendText(b, "name", x.Name)
	b = appendText(b, "agent_id", x.AgentID)
	b = appendText(b, "from_number_id", x.NumberID)
	b = appendText(b, "region", x.Region)
	b = appendTime(b, "created_at", x.CreatedAt)
	b = appendOptionalTime(b, "scheduled_at", x.ScheduledAt)
	b = appendNumber(b, "weight", x.Weight)
	b = appendNumber(b, "ringing_timeout_seconds", int(x.RingTimeout/time.Second))
	return appendNumber(b, "max_call_duration_minutes", int(x.MaxDuration/time.Minute))
}

// appendBatchState writes what changes. Status and totals follow from counts, which are those of
// the recipients that the same answer shows, if it shows them.
func appendBatchState(b []byte, x store.Batch, counts fsm.Counts) []byte {
	b = appendNumber(b, "target_concurrency_limit", x.Target)
	b = appendWord(b, "status", counts.BatchStatus().String())
	b = appendNumber(b, "total_calls_scheduled", counts.Scheduled())
	b = appendNumber(b, "total_calls_dispatched", counts.HandedOver())
	b = appendNumber(b, "total_calls_finished", counts.Finished())
	b = appendNumber(b, "retry_count", x.RetryCount)
	b = appendTime(b, "last_updated_at", x.UpdatedAt)
	b = appendOptionalTime(b, "admitted_at", x.AdmittedAt)
	b = appendOptionalTime(b, "paused_at", x.PausedAt)
	b = appendOptionalTime(b, "cancelled_at", x.CancelledAt)
	return appendCounts(b, counts)
}

func appendCounts(b []byte, c fsm.Counts) []byte {
	b = append(appendKey(b, "counts"), `{"queued":`...)
	b = strconv.AppendInt(b, int64(c.Queued), 10)
	for _, s := range []fsm.RecipientStatus{fsm.Dispatched, fsm.Started, fsm.Completed, fsm.Failed, fsm.Cancelled} {
		b = appendNumber(b, s.String(), c.Of(s))
	}
	b = appendNumber(b, "failed_before_call", c.Unplaced)
	return append(b, '}')
}

// appendCursor writes a revision as text: it is for giving back, not for calculating.
func appendCursor(b []byte, rev int64) []byte {
	return appendWord(b, "cursor", strconv.FormatInt(rev, 10))
}
