package storetest

import (
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func retryRules() []rule {
	return []rule{
		{"RetryQueuesEveryFailedRecipient", retryQueuesEveryFailedRecipient},
		{"RetryLeavesTheOthers", retryLeavesTheOthers},
		{"RetryKeepsTheCalls", retryKeepsTheCalls},
		{"RetryKeepsItsDates", retryKeepsItsDates},
		{"RetryOfNobodyChangesNothing", retryOfNobodyChangesNothing},
		{"RetryOfACancelledBatchIsRefused", retryOfACancelledBatchIsRefused},
		{"RetryClearsCancelledAt", retryClearsCancelledAt},
		{"RetriedRecipientsMayBeCancelled", retriedRecipientsMayBeCancelled},
	}
}

// ended returns a batch of which one recipient is completed, one failed, one failed
// before a call, one in flight and two queued.
func (f *fixture) ended(node string, with ...func(*store.Batch)) (store.Batch, []store.Call) {
	f.Helper()
	b := f.batch(6, with...)
	calls := f.claim(node, b, 4)
	f.happen(node, f.completed(calls[0]), f.busy(calls[1]), f.unplaced(calls[2]))
	return f.again(b), calls
}

func retryQueuesEveryFailedRecipient(f *fixture) {
	b, _ := f.ended(f.node())
	at := f.tick()
	got := f.change(b, store.Change{Action: store.ActionRetry, At: at})
	want := b
	want.RetryCount, want.UpdatedAt, want.Rev = 1, at, got.Rev
	want.Counts = fsm.Counts{Queued: 4, Dispatched: 1, Completed: 1}
	f.equal("batch as returned", got, want)
	f.equal("batch", f.again(b), want)
	for _, i := range []int{1, 2} {
		r := f.recipient(b, i)
		f.stands(r, "queued", "", "", "")
		f.equal("attempts", r.Attempts, 1)
		f.equal("UpdatedAt", r.UpdatedAt, at)
	}
}

func retryLeavesTheOthers(f *fixture) {
	b, _ := f.ended(f.node())
	before := f.recipients(b)
	f.do(b, store.ActionRetry)
	after := f.recipients(b)
	for _, i := range []int{0, 3, 4, 5} {
		f.equal("recipient", after[i], before[i])
	}
}

func retryKeepsTheCalls(f *fixture) {
	node := f.node()
	b, _ := f.ended(node)
	before := f.calls(store.CallQuery{BatchID: b.ID})
	f.do(b, store.ActionRetry)
	f.equal("calls", f.calls(store.CallQuery{BatchID: b.ID}), before)
	next := f.claim(node, b, 3)[2] // behind the two that were not tried
	f.equal("attempt", next.Attempt, 2)
	index := 1
	attempts := f.calls(store.CallQuery{BatchID: b.ID, Recipient: &index})
	f.equal("attempts of the recipient", len(attempts), 2)
	f.equal("the earlier attempt ended as it did", attempts[1].Status, fsm.Failed)
	f.happen(node, f.busy(next))
	f.equal("retried twice", f.do(b, store.ActionRetry).RetryCount, 2)
}

func retryKeepsItsDates(f *fixture) {
	at := f.tick()
	b, _ := f.ended(f.node(), func(b *store.Batch) { b.ScheduledAt = at })
	got := f.do(b, store.ActionRetry)
	f.equal("ScheduledAt", got.ScheduledAt, at)
	f.equal("AdmittedAt", got.AdmittedAt, b.AdmittedAt)
	f.equal("the batch had been admitted", b.AdmittedAt.IsZero(), false)
}

func retryOfNobodyChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(2)
	f.unchanged(b, store.Change{Action: store.ActionRetry})
	calls := f.claim(node, b, 2)
	f.happen(node, f.completed(calls[0]))
	f.unchanged(b, store.Change{Action: store.ActionRetry})
	f.do(b, store.ActionCancel)
	f.unchanged(b, store.Change{Action: store.ActionRetry}) // nobody is dialled because a cancel was forgotten
}

func retryOfACancelledBatchIsRefused(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.busy(call))
	cancelled := f.do(b, store.ActionCancel)
	_, err := f.Change(f.ctx, org, b.ID, store.Change{Action: store.ActionRetry, At: f.tick()})
	f.is(err, store.ErrBatchCancelled)
	f.equal("batch", f.again(b), cancelled)
}

func retryClearsCancelledAt(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.do(b, store.ActionCancel) // of nobody: both are in flight
	f.happen(node, f.busy(calls[0]))
	got := f.do(b, store.ActionRetry)
	f.equal("CancelledAt", got.CancelledAt, time.Time{})
	f.equal("claimed", indexes(f.claim(node, b, 2)), []int{0})
}

func retriedRecipientsMayBeCancelled(f *fixture) {
	b, _ := f.ended(f.node())
	f.do(b, store.ActionRetry)
	f.do(b, store.ActionCancel)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 1, Completed: 1, Cancelled: 4})
}
