package sqlite

import (
	"context"
	"log/slog"

	"github.com/outdial/outdial/store"
)

// writer owns the one connection that writes, and the goroutine that uses it.
type writer struct {
	dsn  string
	log  *slog.Logger
	jobs chan *job // without a buffer: a job that was taken is answered
	lead chan *job // the same for what the lease hangs on, of which all is taken before any of jobs
	stop chan struct{}
	done chan struct{}
	err  error       // of closing the connection; read after done
	conn *connection // nil after a failure, until the next job

	path    string // of the database
	openLog func(path string) (logFile, error)
	settled bool // the log that conn has found is durable

	checkpoints *checkpointer
}

// job is one write of one caller.
type job struct {
	ctx     context.Context //nolint:containedctx // the caller's: who has gone by then is not begun with
	run     func(ctx context.Context, c *connection) error
	leads   bool            // a node's lease hangs on it
	settled func(err error) // once the fate of the transaction is known, before the answer; may be nil
	answer  chan error
}

func startWriter(path string, conn *connection, c Config) *writer {
	w := &writer{
		dsn: writerDSN(path), log: c.logger(), conn: conn, path: path, openLog: c.log(),
		jobs: make(chan *job), lead: make(chan *job), stop: make(chan struct{}), done: make(chan struct{}),
		checkpoints: newCheckpointer(path, c),
	}
	w.checkpoints.start()
	go w.loop()
	return w
}

func (w *writer) loop() {
	defer close(w.done)
	for j := w.take(); j != nil; j = w.take() {
		w.group(j)
	}
	if w.conn != nil {
		w.err = w.conn.Close()
	}
}

// take waits for a job, and returns nil when there will be no more.
func (w *writer) take() *job {
	if j := w.leading(); j != nil {
		return j
	}
	select {
	case j := <-w.lead:
		return j
	case j := <-w.jobs:
		return j
	case <-w.stop:
		return nil
	}
}

// leading returns a job that goes before all others, nil where none is waiting.
func (w *writer) leading() *job {
	select {
	case j := <-w.lead:
		return j
	default:
		return nil
	}
}

// close has the connection that writes closed last, which copies what is left of the log.
func (w *writer) close() error {
	w.checkpoints.close()
	close(w.stop)
	<-w.done
	return w.err
}

// do has the job done, and waits for it or for the end of ctx.
func (w *writer) do(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err //nolint:wrapcheck // the callers say what they were doing
	}
	j.answer = make(chan error, 1)
	queue := w.jobs
	if j.leads {
		queue = w.lead
	}
	select {
	case queue <- j:
	case <-w.stop:
		return store.ErrClosed
	case <-j.ctx.Done():
		return j.ctx.Err() //nolint:wrapcheck // the callers say what they were doing
	}
	select {
	case err := <-j.answer:
		return err
	case <-j.ctx.Done():
		return j.ctx.Err() //nolint:wrapcheck // the callers say what they were doing
	}
}

// write runs one write in a transaction and returns what it returns, once that is durable.
// run must keep nothing of the caller's: it may still be running when the caller has gone.
func write[T any](
	ctx context.Context, w *writer, run func(ctx context.Context, c *connection) (T, error),
) (T, error) {
	var out, none T
	err := w.do(&job{ctx: ctx, run: func(ctx context.Context, c *connection) (err error) {
		out, err = run(ctx, c)
		return err
	}})
	if err != nil {
		return none, err
	}
	return out, nil
}

func (j *job) finish(err error) {
	if j.settled != nil {
		j.settled(err)
	}
	j.answer <- err
}
