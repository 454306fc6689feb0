package fsm_test

import (
	"fmt"

	"github.com/outdial/outdial/fsm"
)

func ExampleRecipientStatus_Next() {
	status, err := fsm.Queued.Next(fsm.Dispatch)
	fmt.Println(status, err)
	_, err = fsm.Completed.Next(fsm.Retry)
	fmt.Println(err)
	// Output:
	// dispatched <nil>
	// fsm: a recipient that is completed does not take the event "retry"
}

func ExampleCounts_BatchStatus() {
	counts := fsm.Counts{Queued: 3}
	fmt.Println(counts.BatchStatus())
	counts.Move(fsm.Queued, fsm.Dispatched)
	fmt.Println(counts.BatchStatus(), counts.Scheduled())
	// Output:
	// pending
	// in_progress 3
}
