package remote

import (
	"context"
	"errors"
	"io"
	"time"
)

var errIdle = errors.New("nothing came from the server for too long")

// idle is the body of an answer. Where nothing comes of it for too long, the request is given up: a
// connection whose other end has vanished would otherwise be waited for, for ever.
type idle struct {
	io.ReadCloser

	timeout time.Duration
	timer   *time.Timer
}

func newIdle(body io.ReadCloser, timeout time.Duration, giveUp context.CancelCauseFunc) *idle {
	i := &idle{ReadCloser: body, timeout: timeout, timer: time.AfterFunc(timeout, func() { giveUp(errIdle) })}
	i.timer.Stop()
	return i
}

// Read implements io.Reader. The time between two reads is the reader's own, and does not count.
func (i *idle) Read(p []byte) (int, error) {
	i.timer.Reset(i.timeout)
	defer i.timer.Stop()
	return i.ReadCloser.Read(p)
}

func (i *idle) stop() { i.timer.Stop() }
