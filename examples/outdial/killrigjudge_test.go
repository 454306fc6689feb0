package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/examples/outdial/remote"
	"github.com/outdial/outdial/store"
)

// rigClient is a client of all processes: it goes from one that does not answer to the next.
type rigClient struct {
	rig     *rig
	clients []*remote.Client
	at      int
}

func newRigClient(r *rig, key string, number int) *rigClient {
	c := &rigClient{rig: r, at: number}
	for _, n := range r.nodes {
		one, err := remote.New(remote.Config{URL: "http://" + n.address, Key: key})
		if err != nil {
			r.t.Error(err)
			continue
		}
		c.clients = append(c.clients, one)
	}
	return c
}

func (c *rigClient) close() {
	for _, one := range c.clients {
		one.Close()
	}
}

// next is another process, after a moment.
func (c *rigClient) next(ctx context.Context) {
	c.at++
	wait(ctx, 20*time.Millisecond)
}

func (c *rigClient) client() *remote.Client { return c.clients[c.at%len(c.clients)] }

// create asks until it is answered, under one key.
func (c *rigClient) create(ctx context.Context, org, key string) (id string) {
	r := batch.Request{
		Name: key, Key: key, AgentID: org + "-agent", NumberID: org + "-number", Target: rigTarget,
		RingTimeout: batch.MinRingTimeout,
	}
	for i := range rigRecipients {
		r.Recipients = append(r.Recipients, batch.RecipientRequest{To: fmt.Sprintf("+4420794601%02d", i)})
	}
	for ctx.Err() == nil {
		b, err := c.client().Create(ctx, r)
		if err == nil {
			return b.ID
		}
		c.next(ctx)
	}
	return ""
}

// follow says whether the batch came to its end.
func (c *rigClient) follow(ctx context.Context, id string) bool {
	for ctx.Err() == nil {
		for change, err := range c.client().Watch(ctx, id) {
			if err != nil {
				break // it may be another one's turn
			}
			if change.Batch != nil && change.Batch.Counts.Over() {
				return true
			}
		}
		c.next(ctx)
	}
	return false
}

// judge compares what outdial says with what happened at the carrier.
func (r *rig) judge() {
	books := r.carrier.Books()
	r.judgeBooks(books)
	for org := range rigKeys() {
		r.judgeOrganisation(org, books)
	}
	r.t.Logf("%d kills; %d batches, %d calls placed; %d recipients failed because what became of their call could not be known",
		r.kills, len(r.batches), books.Placed(fake.Scope{}), r.unknown)
	r.reportTimes()
}

// judgeBooks finds whoever was called twice, calls that nobody ended, and too many at once.
func (r *rig) judgeBooks(books fake.Books) {
	t := r.t
	require.Empty(t, books.DoubleRings(), "an attempt rang twice")
	require.Empty(t, books.DoublePlaced(), "an attempt was placed twice")
	placed, batches := map[string]int{}, map[string]bool{}
	for _, e := range books.Entries {
		if e.Event == fake.Placed {
			placed[e.Recipient]++
			batches[e.Batch] = true
			require.Equal(t, 1, placed[e.Recipient], "recipient %s was called twice, without a retry", e.Recipient)
		}
	}
	require.Zero(t, books.Live(fake.Scope{}), "calls that go on though outdial has ended")
	require.LessOrEqual(t, books.MostAtOnce(fake.Scope{}), rigChannels, "the carrier's channels")
	for org := range rigKeys() {
		require.LessOrEqual(t, books.MostAtOnce(fake.Scope{Org: org}), rigLimit, "the limit of %s", org)
	}
	for batch := range batches {
		require.LessOrEqual(t, books.MostAtOnce(fake.Scope{Batch: batch}), rigTarget, "the target of %s", batch)
	}
	require.Equal(t, rigChannels, books.MostAtOnce(fake.Scope{}), "the limit was never reached, so nothing was tested")
}

// judgeOrganisation finds recipients that were lost, or of whom outdial says what did not happen.
func (r *rig) judgeOrganisation(org string, books fake.Books) {
	t := r.t
	a := &app{env: quietEnv(), cli: &cli{Config: r.config(), Org: org}}
	if r.store[0] == "--store" {
		a.cli.Store = r.store[1]
	} else {
		a.cli.DB = r.store[1]
	}
	s, err := a.openExisting(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ends := map[string]dialer.EndReason{}
	for _, e := range books.Entries {
		if e.Event == fake.Ended {
			ends[e.Recipient] = e.Reason
		}
	}
	found := 0
	for b, err := range s.Batches(t.Context(), false) {
		require.NoError(t, err)
		require.Equal(t, org, r.batches[b.ID], "a batch that nobody was promised")
		require.True(t, b.Counts.Over(), "%+v", b.Counts)
		found++
		r.judgeBatch(s, b, ends)
	}
	promised := 0
	for _, of := range r.batches {
		if of == org {
			promised++
		}
	}
	require.Equal(t, promised, found, "batches that were promised")
	inFlight, err := s.local.engine.Calls(t.Context(), store.CallQuery{Org: org, InFlight: true})
	require.NoError(t, err)
	require.Empty(t, inFlight, "slots that leaked")
	nodes, err := s.local.store.Nodes(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, len(nodes), r.kills, "all who were not killed have given up their lease")
}

// judgeBatch compares each recipient with the carrier's books.
func (r *rig) judgeBatch(s *session, b store.Batch, ends map[string]dialer.EndReason) {
	recipients, err := s.local.engine.Recipients(r.t.Context(), store.RecipientQuery{Org: b.Org, BatchID: b.ID})
	require.NoError(r.t, err)
	require.Len(r.t, recipients, rigRecipients)
	for i, recipient := range recipients {
		id := recipient.ID()
		require.Equal(r.t, fmt.Sprintf("+4420794601%02d", i), string(recipient.To))
		require.True(r.t, recipient.Status.Terminal(), "%s is %s", id, recipient.Status)
		if was, called := ends[id]; called {
			require.Equal(r.t, was, recipient.EndReason, "%s was called, and this is how it ended: %s", id, recipient.Error)
		} else {
			require.Contains(r.t, []dialer.EndReason{"", dialer.Error}, recipient.EndReason, "%s was never called", id)
			if recipient.EndReason == dialer.Error {
				r.unknown++
			}
		}
	}
}
