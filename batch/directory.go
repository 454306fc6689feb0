package batch

import (
	"context"
	"slices"

	"github.com/outdial/outdial/dialer"
)

// Directory is the host's: it tells what an organisation may do, where an agent's
// media goes and which carriers a number is attached to. It is safe for concurrent
// use: up to eight questions about the agents and numbers of an organisation are asked at a time, and one
// about itself; those that take longer than DefaultDirectoryTTL, or Config.DirectoryTTL where that is less, do not
// count, as long as there are no more than eight of them. Answers are kept for Config.DirectoryTTL, so a
// change applies to the next calls.
//
// An answer that is not there after Config.StoreTimeout is not waited for, and what it is about is not asked again
// before the method has returned.
//
// ErrNotFound, wrapped or not, is the answer for what does not exist. Any other error is
// taken for a passing fault: nothing is dialled or refused because of it, and it is
// asked again.
type Directory interface {
	Organisation(ctx context.Context, org string) (Organisation, error)
	Agent(ctx context.Context, org, id string) (dialer.Agent, error)
	Number(ctx context.Context, org, id string) (Number, error)
}

// Organisation is a tenant.
type Organisation struct {
	ConcurrencyLimit int    // most calls in flight at once, its batches and reservations together
	Region           string // where its batches are dialled; empty: US
	UsageExceeded    bool   // it may create no batch and retry none; what runs goes on
}

// Number is a telephone number to call from.
type Number struct {
	E164        dialer.Phone
	Carriers    []string // in order of preference: the first one that takes a call gets it
	Weights     []int    // the carriers' shares of the calls, each at least 1, in place of an order; nil: the order
	InboundOnly bool     // it cannot place calls
	Region      string   // empty: the organisation's
	AnyRegion   bool     // a request may name the region, as it may for SIP numbers
	Channels    int      // channels of the carrier that one call holds; 0: 1
}

func (n Number) equal(o Number) bool {
	return n.E164 == o.E164 && n.InboundOnly == o.InboundOnly && n.Region == o.Region && n.AnyRegion == o.AnyRegion &&
		n.Channels == o.Channels && slices.Equal(n.Carriers, o.Carriers) && slices.Equal(n.Weights, o.Weights)
}
