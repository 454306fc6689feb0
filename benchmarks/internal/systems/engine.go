package systems

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// Limits are a directory: the limit of each organisation. All of them have one agent and one number.
type Limits map[string]int

// Organisation implements [batch.Directory].
func (l Limits) Organisation(_ context.Context, org string) (batch.Organisation, error) {
	limit, ok := l[org]
	if !ok {
		return batch.Organisation{}, batch.ErrNotFound
	}
	return batch.Organisation{ConcurrencyLimit: limit}, nil
}

// Agent implements [batch.Directory].
func (l Limits) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	return dialer.Agent{ID: id, URL: "wss://agents.example/agent"}, nil
}

// Number implements [batch.Directory].
func (l Limits) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: "+442079460000", Carriers: []string{"carrier"}}, nil
}

// NewEngine returns an engine with default settings and one carrier, that is d.
func NewEngine(s store.Store, limits Limits, d dialer.Dialer) (*batch.Engine, error) {
	return batch.New(batch.Config{Store: s, Directory: limits, Dialers: map[string]dialer.Dialer{"carrier": d}})
}

// RunEngine has an engine dial until ctx ends or stop is called, which may be done again and waits.
func RunEngine(ctx context.Context, e *batch.Engine) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// Request asks for a batch of n recipients, each with a number and a name.
func Request(n, target int) batch.Request {
	r := batch.Request{
		Name: "benchmark", AgentID: "agent", NumberID: "number", Target: target,
		Recipients: make([]batch.RecipientRequest, n),
	}
	for i := range r.Recipients {
		r.Recipients[i] = batch.RecipientRequest{To: Phone(i), Metadata: Metadata(i)}
	}
	return r
}

// Phone is the number of a recipient.
func Phone(i int) string { return fmt.Sprintf("+1202555%04d", i) }

// Metadata is what every contender is to keep of a recipient beside its number.
func Metadata(i int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"name":"Person %d"}`, i)) }
