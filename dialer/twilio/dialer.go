package twilio

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Dialer places calls over a Twilio account. It is a [dialer.Resumer], a [dialer.Limiter] and an
// io.Closer, and safe for concurrent use.
type Dialer struct {
	config  Config
	account *account
	keys    keys
	calls   *registry
	log     *slog.Logger

	//nolint:containedctx // the life of the dialer, which no call of a method spans
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	isClosed bool
	tasks    sync.WaitGroup // streams, polls and hang-ups that no caller waits for
}

var (
	_ dialer.Resumer = (*Dialer)(nil)
	_ dialer.Limiter = (*Dialer)(nil)
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
	d.calls = newRegistry(d.expires)
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	return d, nil
}

// expires is when a call is over whatever happened to it, and a day that it may have waited.
func (d *Dialer) expires(a *attempt) time.Time {
	const queued, slack = 24 * time.Hour, time.Hour
	return a.letGoAt.Add(queued + d.config.LongestCall + slack)
}

// Limits returns what the account admits, by its Config.
func (d *Dialer) Limits() dialer.Limits { return d.config.Limits }

// Close ends what goes on in the background: it breaks off the streams that pass through, whose calls end
// by that, and gives up hanging up what nobody follows. It waits for all of it. Calls that are
// being dialled are not ended: cancel their contexts first. After Close, Dial places nothing. More than one
// Close does no harm.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.isClosed = true
	d.mu.Unlock()
	d.cancel(errClosed)
	d.tasks.Wait()
	return nil
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
