package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

func Example() {
	dir, err := os.MkdirTemp("", "outdial")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "calls.db")})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = s.Close() }()

	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	_, err = s.CreateBatch(ctx,
		store.Batch{Org: "org_1", ID: "acb_1", Target: 2, Weight: 1, CreatedAt: now, UpdatedAt: now},
		[]store.NewRecipient{{To: "+14155550100"}, {To: "+14155550101"}, {To: "+14155550102"}})
	if err != nil {
		log.Print(err)
		return
	}
	if err := s.Heartbeat(ctx, store.Node{ID: "node_1"}, time.Minute); err != nil {
		log.Print(err) // store.ErrOwned: another process dials from this file
		return
	}
	got, err := s.Advance(ctx, store.Step{
		Org: "org_1", Owner: "node_1", Now: now, Limit: 100,
		Claims: []store.Claim{{BatchID: "acb_1", CallIDs: []string{"call_1", "call_2", "call_3"}}},
	})
	if err != nil {
		log.Print(err)
		return
	}
	for _, c := range got.Claimed {
		fmt.Println(c.Call.ID, c.Call.To)
	}
	fmt.Println(got.Batches[0].Status())
	// Output:
	// call_1 +1415•••0100
	// call_2 +1415•••0101
	// in_progress
}
