package batch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// What is asked of the store in a request.
type (
	none  struct{}
	named struct{ org, id string }

	newBatchArgs struct {
		batch      store.Batch
		recipients []store.NewRecipient
	}
	changeArgs struct {
		named

		change store.Change
	}
	beatArgs struct {
		node  store.Node
		knew  [2]int // of the changes of the carriers' limits
		lease time.Duration
	}
	adoptArgs struct {
		node  string
		limit int
	}
)

// atStore is the context of what happens at the store, which does not end when who asked for it gives up.
func atStore() context.Context { return context.Background() }

func (n *nodeStore) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	return ask(ctx, n, &n.kinds().create, "create", newBatchArgs{b, rs}, func(c *storeCall[newBatchArgs, store.Batch]) (err error) {
		c.got, err = c.n.p.w.store.CreateBatch(atStore(), c.asked.batch, c.asked.recipients)
		if err == nil {
			c.n.p.w.ledger.created(c.got)
		}
		return err
	})
}

func (n *nodeStore) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	return ask(ctx, n, &n.kinds().batch, "batch", named{org, id}, func(c *storeCall[named, store.Batch]) (err error) {
		c.got, err = c.n.p.w.store.Batch(atStore(), c.asked.org, c.asked.id)
		if err == nil {
			c.n.p.w.ledger.saw(c.got)
		}
		return err
	})
}

func (n *nodeStore) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	return ask(ctx, n, &n.kinds().batches, "batches", q, func(c *storeCall[store.BatchQuery, []store.Batch]) (err error) {
		c.got, err = c.n.p.w.store.Batches(atStore(), c.asked)
		for i := range c.got {
			c.n.p.w.ledger.saw(c.got[i])
		}
		return err
	})
}

func (n *nodeStore) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	return ask(ctx, n, &n.kinds().recipients, "recipients", q, func(c *storeCall[store.RecipientQuery, []store.Recipient]) (err error) {
		c.got, err = c.n.p.w.store.Recipients(atStore(), c.asked)
		return err
	})
}

func (n *nodeStore) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	return ask(ctx, n, &n.kinds().calls, "calls", q, func(c *storeCall[store.CallQuery, []store.Call]) (err error) {
		c.got, err = c.n.p.w.store.Calls(atStore(), c.asked)
		return err
	})
}

func (n *nodeStore) Call(ctx context.Context, org, id string) (store.Call, error) {
	return ask(ctx, n, &n.kinds().call, "call", named{org, id}, func(c *storeCall[named, store.Call]) (err error) {
		c.got, err = c.n.p.w.store.Call(atStore(), c.asked.org, c.asked.id)
		return err
	})
}

func (n *nodeStore) Change(ctx context.Context, org, id string, change store.Change) (store.Batch, error) {
	asked := changeArgs{named{org, id}, change}
	return ask(ctx, n, &n.kinds().change, "change", asked, func(c *storeCall[changeArgs, store.Batch]) (err error) {
		c.got, err = c.n.p.w.store.Change(atStore(), c.asked.org, c.asked.id, c.asked.change)
		if err == nil {
			c.n.p.w.ledger.changed(c.n.p, c.got, c.asked.change)
		}
		return err
	})
}

func (n *nodeStore) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	return ask(ctx, n, &n.kinds().active, "active", none{}, func(c *storeCall[none, []store.ActiveOrg]) (err error) {
		c.got, err = c.n.p.w.store.Active(atStore())
		slices.SortFunc(c.got, func(a, b store.ActiveOrg) int { return cmp.Compare(a.Org, b.Org) })
		return err
	})
}

func (n *nodeStore) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	w := n.p.w
	if !step.Replay {
		w.ledger.issued(n.p, &step)
	}
	got, err := ask(ctx, n, &n.kinds().advance, "advance", step, advance)
	if err == nil {
		w.ledger.answered(&step, &got)
	}
	return got, err
}

// advance is where a step arrives at the store.
func advance(c *storeCall[store.Step, store.Advanced]) (err error) {
	p := c.n.p
	if c.got, err = p.w.store.Advance(atStore(), c.asked); err != nil {
		return err
	}
	p.w.ledger.advanced(p, &c.asked, &c.got)
	if !c.left { // else it was planned by what was true long ago
		p.w.ledger.weighed(p, &c.asked, &c.got)
	}
	p.claimed = len(c.got.Claimed) > 0
	return nil
}

func (n *nodeStore) Heartbeat(ctx context.Context, node store.Node, lease time.Duration) error {
	n.p.tells(node)
	_, err := ask(ctx, n, &n.kinds().heartbeat, "heartbeat", beatArgs{node, n.p.known(), lease}, func(c *storeCall[beatArgs, none]) error {
		p, node := c.n.p, &c.asked.node
		err := p.w.store.Heartbeat(atStore(), *node, c.asked.lease)
		p.node = node.ID
		if p.w.telling() {
			p.w.tell("%s tells its shares: %v", p.name, node.Shares)
		}
		if err == nil {
			p.w.ledger.leased(node, c.asked.knew, c.asked.lease)
		}
		return err
	})
	return err
}

func (n *nodeStore) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	got, err := ask(ctx, n, &n.kinds().adopt, "adopt", adoptArgs{node, limit}, func(c *storeCall[adoptArgs, []store.Claimed]) (err error) {
		c.got, err = c.n.p.w.store.Adopt(atStore(), c.asked.node, c.asked.limit)
		if err == nil {
			c.n.p.w.ledger.adopted(c.asked.node, c.got)
		}
		return err
	})
	if err == nil {
		n.p.w.ledger.orphaned(n.p, got)
	}
	return got, err
}

func (n *nodeStore) Nodes(ctx context.Context) ([]store.Node, error) {
	read := int64(0)
	got, err := ask(ctx, n, &n.kinds().nodes, "nodes", &read, func(c *storeCall[*int64, []store.Node]) (err error) {
		c.got, err = c.n.p.w.store.Nodes(atStore())
		*c.asked = c.n.p.w.now
		return err
	})
	if err == nil {
		n.p.heard(got, read)
	}
	return got, err
}

func (n *nodeStore) kinds() *simRequests { return &n.p.w.pool.requests }
