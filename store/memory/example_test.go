package memory_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// A batch of two is dialled one after the other, as an engine would do it: each step
// writes how the last call ended and claims the next recipient.
func Example() {
	ctx, now := context.Background(), time.Now().UTC().Truncate(time.Microsecond)
	s := memory.New()
	if err := s.Heartbeat(ctx, store.Node{ID: "node_1"}, time.Minute); err != nil {
		log.Fatal(err)
	}
	id, err := store.NewBatchID(now, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	b := store.Batch{Org: "acme", ID: id, Target: 1, Weight: 1, CreatedAt: now, UpdatedAt: now}
	if _, err := s.CreateBatch(ctx, b, []store.NewRecipient{{To: "+14155550123"}, {To: "+14155550124"}}); err != nil {
		log.Fatal(err)
	}
	var ended []store.Event
	for range 3 {
		ids, err := store.NewCallIDs(now, rand.Reader, 1)
		if err != nil {
			log.Fatal(err)
		}
		got, err := s.Advance(ctx, store.Step{
			Org: "acme", Owner: "node_1", Now: now, Limit: 10, Events: ended,
			Claims: []store.Claim{{BatchID: id, CallIDs: ids, From: "+14155550100"}},
		})
		if err != nil {
			log.Fatal(err)
		}
		ended = nil
		for _, c := range got.Claimed {
			fmt.Println("dialling", c.Call.To)
			ended = append(ended, store.Event{
				BatchID: id, Index: c.Call.Index, CallID: c.Call.ID, Status: fsm.Completed, EndedAt: now, EndReason: "agent_hangup",
			})
		}
	}
	b, err = s.Batch(ctx, "acme", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Status(), b.Counts.Completed)
	// Output:
	// dialling +1415•••0123
	// dialling +1415•••0124
	// completed 2
}
