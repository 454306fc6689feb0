package fsm

// BatchStatus says where a batch stands. It is derived from the counts of its
// recipients, see [Counts.BatchStatus].
type BatchStatus uint8

// The statuses of a batch.
const (
	BatchPending    BatchStatus = iota // no recipient dispatched
	BatchInProgress                    // some dispatched, not all
	BatchCompleted                     // all dispatched, though not necessarily over
	BatchFailed                        // all failed before a call could be placed
	BatchCancelled                     // cancelled before all were dispatched

	numBatchStatuses = 5
)

// BatchEvent is what can happen to a batch. Where the outcome depends on whether
// any recipients are left, there is one event for each case, since the machine has
// no guards: [Counts.Event] tells which one a change of counts amounts to.
type BatchEvent uint8

// The events of a batch.
const (
	DispatchSome BatchEvent = iota // a recipient left the queue, others are still in it
	DispatchLast                   // the last recipient left the queue
	RequeueSome                    // a recipient is queued again, others stay dispatched
	RequeueAll                     // every recipient is queued again
	FailAll                        // the last recipient failed before a call, as all the others had
	CancelBatch                    // cancelled while recipients were queued
	Settle                         // a change that moves no recipient into or out of the queue

	numBatchEvents = 7
)

//nolint:gochecknoglobals // the names of an enumeration, never written to
var batchStatusNames = [numBatchStatuses]string{
	"pending", "in_progress", "completed", "failed", "cancelled",
}

//nolint:gochecknoglobals // the names of an enumeration, never written to
var batchEventNames = [numBatchEvents]string{
	"dispatch_some", "dispatch_last", "requeue_some", "requeue_all", "fail_all", "cancel", "settle",
}

// String returns the status as the HTTP contract spells it.
func (s BatchStatus) String() string { return name(batchStatusNames[:], uint8(s)) }

// String returns the event's name, as it stands in the diagram.
func (e BatchEvent) String() string { return name(batchEventNames[:], uint8(e)) }

// MarshalText writes the status as the HTTP contract spells it.
func (s BatchStatus) MarshalText() ([]byte, error) {
	return marshalName("batch status", batchStatusNames[:], uint8(s))
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (s *BatchStatus) UnmarshalText(text []byte) error {
	n, err := parseName("batch status", batchStatusNames[:], string(text))
	if err != nil {
		return err
	}
	*s = BatchStatus(n)
	return nil
}

// ParseBatchStatus returns the status of that name.
func ParseBatchStatus(s string) (BatchStatus, error) {
	n, err := parseName("batch status", batchStatusNames[:], s)
	return BatchStatus(n), err
}

// Next returns the status that event leads to. The error is a *[TransitionError]
// when the lifecycle has no such transition; the status returned is then s itself.
func (s BatchStatus) Next(event BatchEvent) (BatchStatus, error) {
	if s < numBatchStatuses && event < numBatchEvents {
		if next := batches.table[s][event]; next != none {
			return BatchStatus(next), nil
		}
	}
	return s, &TransitionError{Machine: "batch", Status: s.String(), Event: event.String()}
}
