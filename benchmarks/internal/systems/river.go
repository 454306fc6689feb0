package systems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/semaphore"

	"github.com/outdial/outdial/benchmarks/internal/load"
)

// How a contender of River is tuned: to look for jobs often, and as often as its configuration admits.
const (
	RiverTuned = "FetchCooldown 2 ms, FetchPollInterval 20 ms"
	riverMost  = "FetchCooldown 1 ms, FetchPollInterval 1 ms"
)

// riverWay is what a user of River can do about the limits of batches.
type riverWay uint8

const (
	riverPlain  riverWay = iota // one queue, no limits but that of all
	riverBlock                  // one queue, a worker waits for its batch's limit
	riverSnooze                 // one queue, a job whose batch is at its limit comes again later
	riverQueues                 // a queue for each batch, and the limits split between them
	riverShared                 // a queue for each batch, whose workers wait for the limit of all
)

// snooze is for how long a job comes again whose batch is at its limit.
const snooze = 20 * time.Millisecond

// RiverArgs is a job of River: one call.
type RiverArgs struct {
	Batch int    `json:"batch"`
	Index int    `json:"index"`
	To    string `json:"to"`

	Name json.RawMessage `json:"name"` // not decoded, as outdial's carriers do not either
}

// Kind implements river.JobArgs.
func (RiverArgs) Kind() string { return "call" }

// RiverJobs are the jobs of a batch, with the same content as a request to outdial.
func RiverJobs(batch, n int, queue string) []river.InsertManyParams {
	out := make([]river.InsertManyParams, n)
	for i := range out {
		out[i].Args = RiverArgs{Batch: batch, Index: i, To: Phone(i), Name: Metadata(i)}
		if queue != "" {
			out[i].InsertOpts = &river.InsertOpts{Queue: queue}
		}
	}
	return out
}

// riverSetup is a contender of River.
type riverSetup struct {
	way     riverWay
	tuned   bool
	fastest bool // more than tuned
	workers int  // 0: as many as there are slots
}

func (s riverSetup) config(w *load.Watch) *river.Config {
	c := &river.Config{Logger: slog.New(slog.DiscardHandler), Workers: river.NewWorkers()}
	river.AddWorker(c.Workers, newRiverWorker(w, s.way))
	if s.tuned {
		c.FetchCooldown, c.FetchPollInterval = 2*time.Millisecond, 20*time.Millisecond
	}
	if s.fastest {
		c.FetchCooldown, c.FetchPollInterval = time.Millisecond, time.Millisecond
	}
	workers := w.Load.Slots
	if s.workers != 0 {
		workers = s.workers
	}
	c.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}
	if s.way.ownQueues() {
		c.Queues = map[string]river.QueueConfig{}
		left := w.Load.Slots
		for i, b := range w.Load.Batches {
			n := min(b.Limit, left)
			c.Queues[queueOf(i)] = river.QueueConfig{MaxWorkers: n}
			if s.way == riverQueues {
				left -= n
			}
		}
	}
	return c
}

func (w riverWay) ownQueues() bool { return w == riverQueues || w == riverShared }

func queueOf(batch int) string { return fmt.Sprintf("batch_%d", batch) }

type riverWorker struct {
	river.WorkerDefaults[RiverArgs]

	w      *load.Watch
	way    riverWay
	all    *semaphore.Weighted
	limits []*semaphore.Weighted
}

func newRiverWorker(w *load.Watch, way riverWay) *riverWorker {
	r := &riverWorker{w: w, way: way, all: semaphore.NewWeighted(int64(w.Load.Slots))}
	for _, b := range w.Load.Batches {
		r.limits = append(r.limits, semaphore.NewWeighted(int64(b.Limit)))
	}
	return r
}

// Work implements river.Worker.
func (r *riverWorker) Work(ctx context.Context, job *river.Job[RiverArgs]) error {
	limit := r.limits[job.Args.Batch]
	switch r.way {
	case riverPlain, riverQueues: // River's own limits hold
	case riverBlock:
		if err := limit.Acquire(ctx, 1); err != nil {
			return err
		}
		defer limit.Release(1)
	case riverShared:
		if err := r.all.Acquire(ctx, 1); err != nil {
			return err
		}
		defer r.all.Release(1)
	case riverSnooze:
		if !limit.TryAcquire(1) {
			return river.JobSnooze(snooze)
		}
		defer limit.Release(1)
	}
	r.w.Call(ctx, job.Args.Batch, job.Args.Index)
	return nil
}

// riverJob is a load in River, whichever database its transactions TTx are of.
type riverJob[TTx any] struct {
	w      *load.Watch
	client *river.Client[TTx]
	begun  bool
	ask    func(ctx context.Context, question string) (int, error) // a number
	close  func() error
}

func queueRiver[TTx any](
	ctx context.Context, driver riverdriver.Driver[TTx], w *load.Watch, s riverSetup,
	ask func(context.Context, string) (int, error), closing func() error,
) (Job, error) {
	j := &riverJob[TTx]{w: w, ask: ask, close: closing}
	var err error
	if j.client, err = openRiver(ctx, driver, s.config(w)); err == nil {
		err = j.queue(ctx, s.way)
	}
	if err != nil {
		return nil, errors.Join(err, closing())
	}
	return j, nil
}

// openRiver makes River's tables and a client of them.
func openRiver[TTx any](
	ctx context.Context, driver riverdriver.Driver[TTx], c *river.Config,
) (*river.Client[TTx], error) {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	return river.NewClient(driver, c)
}

func (j *riverJob[TTx]) queue(ctx context.Context, way riverWay) error {
	for i, b := range j.w.Load.Batches {
		queue := ""
		if way.ownQueues() {
			queue = queueOf(i)
		}
		if _, err := j.client.InsertManyFast(ctx, RiverJobs(i, len(b.Lengths), queue)); err != nil {
			return err
		}
	}
	return nil
}

func (j *riverJob[TTx]) Run(ctx context.Context) (time.Time, error) {
	if err := j.client.Start(context.WithoutCancel(ctx)); err != nil {
		return time.Time{}, err
	}
	j.begun = true
	end, err := await(ctx, j.w, func(ctx context.Context) (bool, error) {
		open, err := j.ask(ctx, `SELECT count(*) FROM (SELECT 1 FROM river_job WHERE state IN
			('available', 'pending', 'retryable', 'running', 'scheduled') LIMIT 1) AS open`)
		return open == 0, err
	})
	if err != nil {
		return end, err
	}
	done, err := j.ask(ctx, `SELECT count(*) FROM river_job WHERE state = 'completed'`)
	if total := j.w.Load.Total(); err == nil && done != total {
		err = fmt.Errorf("river: %d jobs completed, want %d", done, total)
	}
	return end, err
}

func (j *riverJob[TTx]) Close() error {
	var stopped error
	if j.begun {
		const patience = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped = j.client.StopAndCancel(ctx)
	}
	return errors.Join(stopped, j.close())
}
