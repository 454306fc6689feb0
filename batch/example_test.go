package batch_test

import (
	"context"
	"fmt"
	"log"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/memory"
)

// tenants is a Directory of one organisation.
type tenants struct{}

func (tenants) Organisation(_ context.Context, org string) (batch.Organisation, error) {
	if org != "acme" {
		return batch.Organisation{}, batch.ErrNotFound
	}
	return batch.Organisation{ConcurrencyLimit: 10}, nil
}

func (tenants) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	return dialer.Agent{ID: id, URL: "wss://agents.example.com/" + id}, nil
}

func (tenants) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: "+442071838750", Carriers: []string{"demo"}}, nil
}

// A batch is created, dialled, and watched until it is over.
func Example() {
	carrier, err := fake.New(fake.Config{Shares: fake.Shares{Answer: 1}})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := batch.New(batch.Config{
		Store: memory.New(), Directory: tenants{}, Dialers: map[string]dialer.Dialer{"demo": carrier.Dialer()},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- engine.Run(ctx) }()

	b, err := engine.Create(ctx, "acme", batch.Request{
		Name: "reminders", AgentID: "ada", NumberID: "london",
		Recipients: []batch.RecipientRequest{{To: "+14155550123"}, {To: "+14155550124"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for change, err := range engine.Watch(ctx, "acme", b.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if change.Batch != nil && change.Batch.Counts.Over() {
			fmt.Println(change.Batch.Status(), change.Batch.Counts.Completed, "of", change.Batch.Counts.Scheduled())
			break
		}
	}
	stop()
	fmt.Println(<-done, carrier.Close())
	// Output:
	// completed 2 of 2
	// <nil> <nil>
}
