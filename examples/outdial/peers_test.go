package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

func quietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

type closingMemory struct{ *memory.Store }

func (closingMemory) Close() error { return nil }

func TestANodeSaysWhereItIsReached(t *testing.T) {
	t.Parallel()
	under := closingMemory{memory.New()}
	s := &nodeStore{closingStore: under}
	node := store.Node{ID: "node_1", Carriers: []string{"one", "two"}, Shares: []int{3, 4, 5, 6, 7, 8}, StartedAt: time.Now()}
	require.False(t, s.isOwn("node_1"))
	require.NoError(t, s.Heartbeat(t.Context(), node, time.Minute))
	require.True(t, s.isOwn("node_1"))
	reached, err := s.reached(t.Context())
	require.NoError(t, err)
	require.Empty(t, reached[0].url)

	s.reachedAt("http://10.0.0.5:8080")
	require.NoError(t, s.Heartbeat(t.Context(), node, time.Minute))
	require.Equal(t, []string{"one", "two"}, node.Carriers, "what was given is left as it is")
	reached, err = (&nodeStore{closingStore: under}).reached(t.Context())
	require.NoError(t, err)
	require.Equal(t, "http://10.0.0.5:8080", reached[0].url)
	nodes, err := s.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, nodes[0].Carriers, "the engine sees carriers only")
	require.Equal(t, node.Shares, nodes[0].Shares, "and all that it told of them")
}

// oneCall is a store that has one call.
type oneCall struct {
	closingStore

	call store.Call
}

func (o oneCall) Call(context.Context, string, string) (store.Call, error) { return o.call, nil }

// TestTheOwnerOfACallThatAnotherCarrierHas has news come to carrier one of a call that goes on over carrier two.
func TestTheOwnerOfACallThatAnotherCarrierHas(t *testing.T) {
	for name, test := range map[string]struct {
		call store.Call
		over bool
	}{
		"it never had it":           {store.Call{Status: fsm.Started}, false},
		"a third one had it":        {store.Call{Status: fsm.Started, Tries: []store.Try{{Carrier: "three"}}}, false},
		"it said it did not place":  {store.Call{Status: fsm.Dispatched, Tries: []store.Try{{Carrier: "three"}, {Carrier: "one"}}}, true},
		"the call has ended":        {store.Call{Status: fsm.Completed}, true},
		"the call could not be had": {store.Call{Status: fsm.Failed}, true},
	} {
		t.Run(name, func(t *testing.T) {
			test.call.Carrier, test.call.Owner = "two", "me"
			s := &nodeStore{closingStore: oneCall{call: test.call}}
			s.node.Store(&test.call.Owner)
			owner, err := newPeers(s, quietLogger()).owner(t.Context(), "one", "acme", "call_x")
			require.Error(t, err)
			require.Nil(t, owner)
			require.Equal(t, test.over, errors.Is(err, dialer.ErrOver), "it would be hung up: %v", err)
			owner, err = newPeers(s, quietLogger()).owner(t.Context(), "two", "acme", "call_x")
			require.Equal(t, test.call.Status == fsm.Completed || test.call.Status == fsm.Failed, err != nil)
			require.Nil(t, owner)
		})
	}
}

func TestNodeURL(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080} }
	require.Equal(t, "http://10.0.0.5:8080", nodeURL("", at("10.0.0.5"), false))
	require.Equal(t, "http://[::1]:8080", nodeURL("", at("::1"), false))
	require.Empty(t, nodeURL("", at("0.0.0.0"), false))
	require.Empty(t, nodeURL("", at("::"), false))
	require.Empty(t, nodeURL("", at("10.0.0.5"), true))
	require.Equal(t, "https://one.example", nodeURL("https://one.example", at("::"), true))
	for _, good := range []string{"http://10.0.0.5:8080", "https://one.example/outdial"} {
		require.NoError(t, checkNodeURL(good))
	}
	for _, bad := range []string{"10.0.0.5:8080", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x#a", "%"} {
		require.ErrorContains(t, checkNodeURL(bad), "--node-url: expected a URL", bad)
	}
	w := newWorld(t, fast)
	r := w.run("serve", "--node-url", "nowhere")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "--node-url")
}
