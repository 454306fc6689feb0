package sip

import (
	"context"
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// options sends an OPTIONS to a server and returns the final response. sent is when.
func (d *Dialer) options(ctx context.Context, t *trunk, h hop, cred *credentials) (
	res *msg.Response, f *flow, sent time.Time, err error,
) {
	id, tag := token(), token()
	for seq := uint32(1); seq <= mostTries+1; seq++ {
		if f, err = d.flows.to(ctx, h); err != nil {
			if ctx.Err() == nil {
				err = &noWayError{err}
			}
			return nil, nil, sent, err
		}
		req := d.newOptions(t, f, id, tag, seq)
		if err := cred.apply(req); err != nil {
			return nil, f, sent, err
		}
		req.SetBody(nil)
		sent = time.Now()
		res, err = d.transact(ctx, f, req)
		if err != nil {
			return nil, f, sent, err
		}
		d.look(t, h.remote, f, res)
		if !isChallenge(res) || !cred.learn(res) {
			return res, f, sent, nil
		}
	}
	return res, f, sent, nil
}

func (d *Dialer) newOptions(t *trunk, f *flow, id, tag string, seq uint32) *msg.Request {
	req := msg.NewRequest(msg.OPTIONS, msg.Uri{Scheme: scheme(t.Secure), Host: uriHost(t.Domain)})
	req.AppendHeader(f.via())
	t.route(req)
	req.AppendHeader(maxForwards())
	from := &msg.FromHeader{Address: msg.Uri{Scheme: scheme(t.Secure), User: t.FromUser, Host: f.host}}
	from.Params.Add("tag", tag)
	req.AppendHeader(from)
	req.AppendHeader(&msg.ToHeader{Address: req.Recipient})
	callID := msg.CallIDHeader(id)
	req.AppendHeader(&callID)
	req.AppendHeader(&msg.CSeqHeader{SeqNo: seq, MethodName: msg.OPTIONS})
	req.AppendHeader(f.contact(t.FromUser, t.Secure))
	req.AppendHeader(msg.NewHeader("Accept", sdpType))
	req.AppendHeader(msg.NewHeader("User-Agent", d.config.UserAgent))
	return req
}

// transact is that of the stack, which here ends with errRefused when the system says that the request reached nobody.
func (d *Dialer) transact(ctx context.Context, f *flow, req *msg.Request) (*msg.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.transport == UDP {
		stop := d.expectBounce(branchOf(req), func() { cancel(errRefused) })
		defer stop()
	}
	return d.stack.transact(ctx, f, req)
}

// noWayError says that no connection to a server could be opened.
type noWayError struct{ error }

func (e *noWayError) Unwrap() error { return e.error }

// isCertain says whether an error of options is proof that nobody is there, rather than a lost message.
func isCertain(err error) bool {
	_, noWay := errors.AsType[*noWayError](err)
	return noWay || errors.Is(err, errRefused) || errors.Is(err, errLost)
}
