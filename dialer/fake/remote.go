package fake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/dialer"
)

var (
	_ dialer.Resumer = remote{}
	_ dialer.Limiter = remote{}
	_ dialer.Prober  = remote{}
)

// Remote returns a dialer over a carrier that another process serves (see [Carrier.Serve]) at a TCP
// address. It is a dialer.Resumer: a call goes on at the carrier when this process is gone. limits is what
// the dialer says that the carrier admits.
//
// Its URL is fake://HOST:PORT, with the parameters channels, cps and burst.
func Remote(address string, limits dialer.Limits) dialer.Dialer {
	return remote{address: address, limits: limits}
}

type remote struct {
	address string
	limits  dialer.Limits
}

func (r remote) Limits() dialer.Limits { return r.limits }

func (r remote) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	if ctx.Err() != nil {
		if dialer.Detached(ctx) {
			return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, dialer.ErrDetached)
		}
		return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false)}, nil
	}
	conn, err := r.connect(ctx)
	if err != nil { // not one byte of the call has left
		return dialer.Outcome{}, &dialer.UnavailableError{Cause: err}
	}
	return follow(ctx, conn, ask{Do: askDial, Call: &call}, report)
}

func (r remote) Resume(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	// To be hung up, it must be reached, however late it is.
	conn, err := r.connect(context.WithoutCancel(ctx))
	if err != nil {
		return dialer.Outcome{}, err
	}
	return follow(ctx, conn, ask{Do: askResume, Call: &call}, report)
}

// Probe implements dialer.Prober.
func (r remote) Probe(ctx context.Context) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	_, err = follow(ctx, conn, ask{Do: askProbe}, func(dialer.Progress) {})
	return err
}

func (r remote) connect(ctx context.Context) (net.Conn, error) {
	const most = 5 * time.Second
	return (&net.Dialer{Timeout: most}).DialContext(ctx, "tcp", r.address)
}

// follow asks, and hears what becomes of it. It closes the connection.
func follow(
	ctx context.Context, conn net.Conn, what ask, report func(dialer.Progress),
) (dialer.Outcome, error) {
	defer conn.Close()
	var connected atomic.Bool
	stop := context.AfterFunc(ctx, func() {
		if dialer.Detached(ctx) {
			_ = conn.Close()
			return
		}
		// An error shows when the answer is read.
		_ = writeLine(conn, ask{Do: askHangUp, Reason: dialer.HangUpReason(ctx, connected.Load())})
	})
	defer stop()
	if err := writeLine(conn, what); err != nil {
		return dialer.Outcome{}, lost(ctx, err)
	}
	in := bufio.NewReader(conn)
	for {
		var a answer
		if err := readLine(in, &a); err != nil {
			return dialer.Outcome{}, lost(ctx, err)
		}
		switch {
		case a.Progress != nil:
			if a.Progress.Stage == dialer.Connected {
				connected.Store(true)
			}
			report(*a.Progress)
		case a.Failure != nil:
			return dialer.Outcome{}, a.Failure.err()
		case a.Outcome != nil:
			return *a.Outcome, nil
		default:
			return dialer.Outcome{}, errors.New("fake: the carrier gave an empty answer")
		}
	}
}

// lost is the error of a call whose connection broke: it says nothing of the call.
func lost(ctx context.Context, err error) error {
	if dialer.Detached(ctx) {
		return dialer.ErrDetached
	}
	return fmt.Errorf("fake: the connection to the carrier broke: %w", err)
}
