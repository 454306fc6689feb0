package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/store"
)

// nodeStore is a store in which a node also says where the others reach it. A store has no place for that, so it
// stands among the carriers that the node has, as one that no configuration can have: names there have no $. Who does
// not know that sees one more carrier, over which no call is ever placed.
type nodeStore struct {
	closingStore

	url  atomic.Pointer[string] // of this process; nil: nobody reaches it
	node atomic.Pointer[string] // the id that it dials under, or did; nil: it has not dialled
}

const urlMark = "$url="

// reachedAt says where the others reach this process. It is to be called before the engine runs.
func (s *nodeStore) reachedAt(url string) { s.url.Store(&url) }

// Heartbeat implements store.Store.
func (s *nodeStore) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	s.node.Store(&n.ID)
	if url := s.url.Load(); url != nil && *url != "" {
		n.Carriers = append(slices.Clip(n.Carriers), urlMark+*url) // last, so the shares stay those of the others
	}
	return s.closingStore.Heartbeat(ctx, n, lease)
}

// Nodes implements store.Store.
func (s *nodeStore) Nodes(ctx context.Context) ([]store.Node, error) {
	reached, err := s.reached(ctx)
	nodes := make([]store.Node, len(reached))
	for i, r := range reached {
		nodes[i] = r.Node
	}
	return nodes, err
}

// reachedNode is a node, and where it is reached; empty: it does not say.
type reachedNode struct {
	store.Node

	url string
}

func (s *nodeStore) reached(ctx context.Context) ([]reachedNode, error) {
	nodes, err := s.closingStore.Nodes(ctx)
	reached := make([]reachedNode, len(nodes))
	for i, n := range nodes {
		reached[i].Node = n
		at := slices.IndexFunc(n.Carriers, func(name string) bool { return strings.HasPrefix(name, urlMark) })
		if at < 0 {
			continue
		}
		reached[i].url = strings.TrimPrefix(n.Carriers[at], urlMark)
		reached[i].Carriers = slices.Delete(n.Carriers, at, at+1)
	}
	return reached, err
}

// Hints implements store.Hinter, for a store that is none too: there are no hints then.
func (s *nodeStore) Hints(ctx context.Context) <-chan string {
	if h, ok := s.closingStore.(store.Hinter); ok {
		return h.Hints(ctx)
	}
	none := make(chan string)
	context.AfterFunc(ctx, func() { close(none) })
	return none
}

// isOwn says whether a node is this process, as it dials now.
func (s *nodeStore) isOwn(node string) bool {
	own := s.node.Load()
	return own != nil && *own == node
}

func (s *nodeStore) ownURL() string {
	if url := s.url.Load(); url != nil {
		return *url
	}
	return ""
}
