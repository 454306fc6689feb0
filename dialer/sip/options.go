package sip

import (
	"context"
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// options sends an OPTIONS to a server and returns the final response. sent is when. What becomes of the
// credentials is noted as with an INVITE: errCredentials says that they are not brought for now.
func (d *Dialer) options(ctx context.Context, t *trunk, h hop, cred *credentials) (
	res *msg.Response, f *flow, sent time.Time, err error,
) {
	id, tag := token(), token()
	var tried *trial
	defer func() { t.account.leave(tried) }()
	for seq := uint32(1); seq <= mostTries+1; seq++ {
		if f, err = d.flows.to(ctx, h); err != nil {
			if ctx.Err() == nil {
				err = &noWayError{err}
			}
			return nil, nil, sent, err
		}
		if cred.known() && tried == nil {
			if tried, err = t.account.await(ctx); err != nil {
				return nil, f, sent, err
			}
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
		if !d.optionsAgain(t, cred, res) {
			return res, f, sent, nil
		}
	}
	return res, f, sent, nil
}

// optionsAgain says whether an OPTIONS is to be sent again, and notes what becomes of the credentials.
func (d *Dialer) optionsAgain(t *trunk, cred *credentials, res *msg.Response) bool {
	isWrong := cred.known() && d.judge(t, res, t.account.count())
	again := false
	if isChallenge(res) {
		var refused bool
		again, refused = cred.judge(res)
		isWrong = refused && t.account.refuse() > 0
	}
	if isWrong {
		d.warnOfCredentials(t, res)
	}
	return again
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
