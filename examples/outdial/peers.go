package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// owning is a carrier kind that asks who follows a call of which it hears and that it does not follow itself.
type owning interface {
	FindOwners(find func(ctx context.Context, org, callID string) (http.Handler, error))
}

// peers are the processes that dial from one database. What a carrier sends to the wrong one they pass on to the
// one that the store has as the call's owner. It is safe for concurrent use.
type peers struct {
	store     *nodeStore
	transport *http.Transport
	log       *log.Logger

	mu      sync.Mutex
	nodes   []reachedNode
	asked   time.Time
	passing int           // streams that pass through this process
	fewer   chan struct{} // closed when one of them has ended; nil: nobody waits for it
}

// nodesLast is how long what the store says of the nodes is good for. A node that is missing in it is asked
// for at once.
const nodesLast = time.Second

func newPeers(s *nodeStore, logger *slog.Logger) *peers {
	const connect, answer = 2 * time.Second, 12 * time.Second // an owner may wait to take a call over
	return &peers{
		store: s, log: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: connect}).DialContext,
			TLSHandshakeTimeout:   connect,
			ResponseHeaderTimeout: answer,
			MaxIdleConnsPerHost:   20,
			IdleConnTimeout:       time.Minute,
		},
	}
}

// join has the carriers ask the store who follows a call.
func (p *peers) join(dialers map[string]dialer.Dialer) {
	for name, d := range dialers {
		if carrier, ok := dialer.As[owning](d); ok {
			carrier.FindOwners(func(ctx context.Context, org, callID string) (http.Handler, error) {
				return p.owner(ctx, name, org, callID)
			})
		}
	}
}

// owner returns what takes a request of a carrier's to the process that follows the call; nil: it is this
// one, or nobody until somebody takes it over.
func (p *peers) owner(ctx context.Context, carrier, org, callID string) (http.Handler, error) {
	call, err := p.store.Call(ctx, org, callID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, dialer.ErrUnknownCall
	case err != nil:
		return nil, fmt.Errorf("asking who has call %s: %w", callID, err)
	case call.Status == fsm.Completed || call.Status == fsm.Failed:
		return nil, dialer.ErrOver
	case call.Carrier != carrier:
		return nil, hadBefore(call, carrier)
	case p.store.isOwn(call.Owner):
		return nil, nil //nolint:nilnil // as the comment says
	}
	n, ok, err := p.node(ctx, call.Owner)
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking where node %s is: %w", call.Owner, err)
	case !ok || (n.url != "" && n.url == p.store.ownURL()): // it is dead, or what this process was before
		return nil, nil //nolint:nilnil // as the comment says
	case n.url == "":
		return nil, fmt.Errorf("node %s, which has call %s, does not say where it is reached", call.Owner, callID)
	}
	return p.proxy(n.url, carrier)
}

// hadBefore is why a carrier is not asked about a call that goes on over another one. What turns up of its own is to
// be hung up if it has had the call, as it said that it did not place it. If it has not, the call that it knows may be
// the other one's: both have one account, and one public URL.
func hadBefore(call store.Call, carrier string) error {
	if slices.ContainsFunc(call.Tries, func(t store.Try) bool { return t.Carrier == carrier }) {
		return dialer.ErrOver
	}
	return fmt.Errorf("call %s goes on over carrier %q, and carrier %q never had it: have both one public URL?",
		call.ID, call.Carrier, carrier)
}

// node returns a node whose lease runs.
func (p *peers) node(ctx context.Context, id string) (reachedNode, bool, error) {
	is := func(n reachedNode) bool { return n.ID == id && !n.Lapsed }
	p.mu.Lock()
	nodes, asked := p.nodes, p.asked
	p.mu.Unlock()
	if i := slices.IndexFunc(nodes, is); i >= 0 && time.Since(asked) < nodesLast {
		return nodes[i], true, nil
	}
	asked = time.Now()
	nodes, err := p.store.reached(ctx)
	if err != nil {
		return reachedNode{}, false, err
	}
	p.mu.Lock()
	p.nodes, p.asked = nodes, asked
	p.mu.Unlock()
	if i := slices.IndexFunc(nodes, is); i >= 0 {
		return nodes[i], true, nil
	}
	return reachedNode{}, false, nil
}

// proxy passes requests on as they are: who takes them checks their signature anew.
func (p *peers) proxy(node, carrier string) (http.Handler, error) {
	to, err := url.Parse(strings.TrimSuffix(node, "/") + callbackPath + url.PathEscape(carrier))
	if err != nil {
		return nil, fmt.Errorf("where a node is reached: %w", err)
	}
	h := &httputil.ReverseProxy{
		Transport: p.transport, ErrorLog: p.log,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.URL.RawQuery = r.In.URL.RawQuery // it is signed as it is
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			p.log.Printf("a carrier's request could not be passed on to %s: %v", node, err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer p.pass()()
		h.ServeHTTP(w, r)
	}), nil
}

// pass counts a request until what it returns is called.
func (p *peers) pass() (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passing++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.passing--
		if p.fewer != nil {
			close(p.fewer)
			p.fewer = nil
		}
	}
}

// await returns when nothing passes through this process, or ctx ends: other nodes' calls would lose their audio.
func (p *peers) await(ctx context.Context) {
	for {
		p.mu.Lock()
		passing := p.passing
		if p.fewer == nil {
			p.fewer = make(chan struct{})
		}
		fewer := p.fewer
		p.mu.Unlock()
		if passing == 0 {
			return
		}
		select {
		case <-fewer:
		case <-ctx.Done():
			return
		}
	}
}

// checkNodeURL refuses what other processes could make nothing of.
func checkNodeURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" {
		return usagef("--node-url: expected a URL such as http://10.0.0.5:8080")
	}
	return nil
}

// nodeURL is where others reach who listens there: a node that is told nothing else says its own address, unless
// it is no address that others could use.
func nodeURL(told string, address net.Addr, isTLS bool) string {
	tcp, ok := address.(*net.TCPAddr)
	switch {
	case told != "":
		return told
	case !ok || tcp.IP.IsUnspecified() || isTLS: // a certificate is for a name
		return ""
	}
	return "http://" + address.String()
}
