package fake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"

	"github.com/outdial/outdial/dialer"
)

// Serve lets dialers of other processes place calls at this carrier (see [Remote]) until the
// listener is closed; then it lets go of all connections and returns nil. So the carrier and its books outlive
// the processes that dial: it is what judges those that are killed. A call whose dialer is gone goes on,
// and can be resumed.
//
// There is no authentication: listen on a loopback address.
func (c *Carrier) Serve(l net.Listener) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel(dialer.ErrDetached)
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fake: accepting a dialer: %w", err)
		}
		clients.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			client := client{carrier: c, conn: conn, in: bufio.NewReader(conn)}
			client.serve(ctx)
		})
	}
}

// client is a connection of a dialer.
type client struct {
	carrier *Carrier
	conn    net.Conn
	in      *bufio.Reader

	mu sync.Mutex // one answer at a time: reports may be late
}

func (c *client) serve(ctx context.Context) {
	var first ask
	if err := readLine(c.in, &first); err != nil {
		return // it never asked: nothing was placed
	}
	o, err := c.do(ctx, first)
	if err != nil {
		c.send(answer{Failure: failureOf(err)})
		return
	}
	c.send(answer{Outcome: &o})
}

func (c *client) do(ctx context.Context, first ask) (o dialer.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil { // some calls are told to panic: that is the dialer's to do, not the carrier's
			err = fmt.Errorf("the fake carrier panicked: %v: %s", r, debug.Stack())
		}
	}()
	switch {
	case first.Do == askProbe:
		return o, plain{c.carrier}.Probe(ctx)
	case first.Call == nil:
		return o, errors.New("fake: expected a call")
	case first.Do != askDial && first.Do != askResume:
		return o, fmt.Errorf("fake: %.40q: expected dial, resume or probe", first.Do)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.heed(cancel) // ends with the connection, which ends with this
	report := func(p dialer.Progress) { c.send(answer{Progress: &p}) }
	if first.Do == askResume {
		return c.carrier.resume(ctx, *first.Call, report)
	}
	return c.carrier.dial(ctx, *first.Call, report, true)
}

// heed waits for what the dialer has to say while the call goes on.
func (c *client) heed(cancel context.CancelCauseFunc) {
	for {
		var next ask
		if err := readLine(c.in, &next); err != nil {
			cancel(dialer.ErrDetached)
			return
		}
		if next.Do == askHangUp {
			cancel(dialer.HangUp(next.Reason))
		}
	}
}

func (c *client) send(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = writeLine(c.conn, a) // who is gone does not hear it
}
