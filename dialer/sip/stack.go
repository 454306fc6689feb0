package sip

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	msg "github.com/emiago/sipgo/sip"
)

// stack is sipgo: parser, transports and transactions. What belongs to a dialog is ours.
type stack struct {
	agent    *sipgo.UserAgent
	client   *sipgo.Client
	server   *sipgo.Server
	socket   *socket
	listener *listener
	opened   map[Transport]*handover
	serving  sync.WaitGroup

	dialers *dialers      // whom it is for
	address string        // by which it is shared; empty: it is not
	users   int           // so many have it, where it is shared; guarded by shared.mu
	flows   atomic.Uint64 // so many were registered
}

// newStack opens the port and begins to receive: what comes is dropped until a dialer is added.
func newStack(address string) (*stack, error) {
	ds := &dialers{}
	s, l, err := listen(address, ds)
	if err != nil {
		return nil, err
	}
	st, err := stackOver(s, l, ds)
	if err != nil {
		return nil, errors.Join(err, s.Close(), l.Close())
	}
	st.serve()
	return st, nil
}

func stackOver(s *socket, l *listener, ds *dialers) (*stack, error) {
	// What sipgo logs has whole messages in it, with numbers and credentials.
	discard := slog.New(slog.DiscardHandler)
	agent, err := sipgo.NewUA(
		sipgo.WithUserAgentParser(lenient),
		sipgo.WithUserAgentTransportLayerOptions(msg.WithTransportLayerLogger(discard)),
		sipgo.WithUserAgentTransactionLayerOptions(
			msg.WithTransactionLayerLogger(discard), msg.WithTransactionLayerUnhandledResponseHandler(ds.stray)),
	)
	if err != nil {
		return nil, err
	}
	client, err := sipgo.NewClient(agent, sipgo.WithClientLogger(discard))
	if err != nil {
		return nil, errors.Join(err, agent.Close())
	}
	server, err := sipgo.NewServer(agent, sipgo.WithServerLogger(discard))
	if err != nil {
		return nil, errors.Join(err, agent.Close())
	}
	server.OnNoRoute(ds.request)
	l.streams.adopt = func(s *stream) { adopt(agent.TransportLayer(), s) }
	st := &stack{
		agent: agent, client: client, server: server, socket: s, listener: l, dialers: ds,
		opened: map[Transport]*handover{TCP: newHandover(), TLS: newHandover()},
	}
	return st, nil
}

func (st *stack) serve() {
	//nolint:errcheck,gosec // each of them returns when it is closed, and for no other reason
	for _, loop := range []func(){
		st.serveUDP,
		func() { st.server.ServeTCP(st.listener) },
		func() { st.server.ServeTCP(st.opened[TCP]) },
		func() { st.server.ServeTLS(st.opened[TLS]) },
	} {
		st.serving.Go(loop)
	}
}

// serveUDP goes on after a panic in sipgo's parser, which reads what anybody may have made who can
// forge an address.
func (st *stack) serveUDP() {
	for !st.socket.isClosed() {
		func() {
			defer func() { recover() }() //nolint:errcheck // see above
			//nolint:errcheck,gosec // it returns when the socket is closed
			st.server.ServeUDP(st.socket)
		}()
	}
}

// close ends it in steps. sipgo opens a connection of its own to answer a request by, if that which
// it came by is gone: so what was received is handled first, and what was opened all the
// same is closed last.
func (st *stack) close() error {
	st.socket.deaf.Store(true)
	settle()
	err := errors.Join(st.socket.Close(), st.listener.Close(), st.opened[TCP].Close(), st.opened[TLS].Close())
	st.serving.Wait()
	st.listener.streams.close()
	st.agent.TransactionLayer().Close()
	settle()
	for _, t := range []Transport{UDP, TCP, TLS} {
		err = errors.Join(err, st.agent.TransportLayer().Pool(string(t)).Clear())
	}
	return err
}

// settle lets sipgo's goroutines come to their ends, of which it does not tell.
func settle() {
	const brief = 20 * time.Millisecond
	timer := time.NewTimer(brief)
	<-timer.C
}

// register makes the flow known to sipgo, unregister the opposite.
func (st *stack) register(f *flow) {
	st.agent.TransportLayer().Pool(string(f.transport)).Add(f.key.String(), f)
}

func (st *stack) unregister(f *flow) {
	st.agent.TransportLayer().Pool(string(f.transport)).Delete(f.key.String())
}

// adopt has sipgo answer what comes by a connection through a flow of ours. It counts the users of its own
// connections, but no more of one that was lost, and complains on the process's log about each that leaves
// then. The flow stays for as long as somebody may answer: sipgo would open a connection to where a message says.
func adopt(layer *msg.TransportLayer, s *stream) {
	pool, key := layer.Pool(string(s.transport)), s.RemoteAddr().String()
	f := &flow{transport: s.transport, remote: s.peer, write: s.Write, name: s.name.IP.String()}
	pool.Add(key, f)
	s.abandon = func() { pool.CloseAndDelete(f, key) } //nolint:errcheck,gosec // unless another has the address by now
}

// begin sends a request in a new transaction. The caller reads its responses and terminates it.
// The error has nothing of the request in it.
func (st *stack) begin(
	ctx context.Context, f *flow, req *msg.Request,
) (msg.ClientTransaction, error) {
	f.carry(req)
	if f.lost() {
		return nil, &writeError{0, errLost}
	}
	// sipgo uses the context for connecting only: the transaction outlives it. An option of any
	// kind keeps it from adding headers of its own.
	tx, err := st.client.TransactionRequest(ctx, req, func(*sipgo.Client, *msg.Request) error { return nil })
	if err == nil {
		return tx, nil
	}
	if failed, ok := errors.AsType[*writeError](err); ok {
		return nil, failed
	}
	return nil, errors.New("the request could not be sent")
}

// finish terminates a transaction whose final response was read. sipgo sets a timer of 32 seconds after
// it has passed that on, and stops none that it sets after the end: so it has to come first.
func finish(tx msg.ClientTransaction) {
	_ = tx.Err() // returns when that is done
	tx.Terminate()
}

var (
	errLost    = errors.New("the connection was lost")
	errSilence = errors.New("nothing was heard")
)

// lastWords is how long a message may take to where it is awaited, that came by a connection just before it
// was lost: sipgo handles each in a goroutine of its own.
const lastWords = 100 * time.Millisecond

// transact sends a request other than INVITE and returns the final response.
func (st *stack) transact(ctx context.Context, f *flow, req *msg.Request) (*msg.Response, error) {
	tx, err := st.begin(ctx, f, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	var lost <-chan time.Time
	gone := f.gone
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				finish(tx)
				return res, nil
			}
		case <-tx.Done():
			if err := tx.Err(); errors.Is(err, msg.ErrTransactionTransport) { // sipgo ends it then, and sends no more
				return nil, &writeError{0, err}
			}
			return nil, errSilence
		case <-gone:
			gone = nil
			lost, _ = elapsed(lastWords)
		case <-lost:
			return nil, errLost
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
