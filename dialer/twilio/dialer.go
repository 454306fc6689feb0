package twilio

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Dialer places calls over a Twilio account. It is a [dialer.Resumer], a [dialer.Limiter], a [dialer.Prober] and
// an io.Closer, and safe for concurrent use.
type Dialer struct {
	config  Config
	account *account
	keys    keys // of callbacks
	tokens  keys // of streams
	calls   *registry
	agents  agents
	log     *slog.Logger

	//nolint:containedctx // the life of the dialer, which no call of a method spans
	ctx    context.Context
	cancel context.CancelCauseFunc

	older atomic.Pointer[Dialer]    // that this one has replaced
	find  atomic.Pointer[OwnerFunc] // never nil, though the function may be

	mu       sync.Mutex
	isClosed bool
	tasks    sync.WaitGroup // polls and hang-ups that no caller waits for
	streams  sync.WaitGroup
}

var (
	_ dialer.Resumer = (*Dialer)(nil)
	_ dialer.Limiter = (*Dialer)(nil)
	_ dialer.Prober  = (*Dialer)(nil)
	_ io.Closer      = (*Dialer)(nil)
)

// New returns a dialer over the account that c describes. Nothing is sent before the first call. The
// error says which field of c is wrong, without its value where that may be a secret.
func New(c Config) (*Dialer, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Dialer{
		config: c, account: newAccount(c), log: c.Logger,
		keys: append(keys{c.AuthToken}, c.OldAuthTokens...),
	}
	d.tokens = d.keys
	d.find.Store(&c.Owner)
	d.calls = newRegistry(d.expires)
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	return d, nil
}

// expires is when a call is over whatever happened to it.
func (d *Dialer) expires(a *attempt) time.Time { return a.letGoAt.Add(d.Linger()) }

// Linger is how long after it was created a call is certainly over, with a day that it may wait at Twilio. Where
// several processes share Config.PublicURL, one that does not place calls over d any more goes on serving
// d's Handler for so long, as Twilio may send it what is for calls of the others.
func (d *Dialer) Linger() time.Duration {
	const queued, slack = 24 * time.Hour, time.Hour
	return queued + d.config.LongestCall + slack
}

// Limits returns what the account admits, by its Config.
func (d *Dialer) Limits() dialer.Limits { return d.config.Limits }

// lastWords is how long a stream may take to end by itself when the dialer is closed.
const lastWords = time.Second / 2

// Close ends what goes on in the background: it breaks off the streams that pass through, whose calls end
// by that, and gives up hanging up what nobody follows. It waits for all of it. Calls that are
// being dialled are not ended: cancel their contexts first. After Close, Dial places nothing. More than one
// Close does no harm.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.isClosed = true
	d.mu.Unlock()
	d.letStreamsEnd()
	d.cancel(errClosed)
	d.streams.Wait()
	d.tasks.Wait()
	return nil
}

// letStreamsEnd is for the streams of calls that are over: news of that may be faster than the stream's own
// end, of which the agent should hear.
func (d *Dialer) letStreamsEnd() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.streams.Wait()
	}()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// background runs a task that Close waits for. It is false after Close.
func (d *Dialer) background(task func(context.Context)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed {
		return false
	}
	d.tasks.Go(func() { task(d.ctx) })
	return true
}

func (d *Dialer) closed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isClosed
}
