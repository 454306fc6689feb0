package systems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
)

// Asynq is Asynq on Redis with default settings, or with a Redis that syncs each write (always).
// With fair, each batch has a queue of its own, all of one weight.
func Asynq(always, fair bool) System {
	s := System{Name: "Asynq, Redis", Durability: RedisDefault, Settings: "as many workers as slots, " + RedisPool()}
	if always {
		s.Name, s.Durability = "Asynq, Redis, AOF always", RedisAlways
	}
	if fair {
		s.Name += ", a queue per batch"
	}
	s.Queue = func(ctx context.Context, l *lab.Lab, w *load.Watch) (Job, error) {
		r, err := l.Redis(ctx, always)
		if err != nil {
			return nil, err
		}
		if err := r.Empty(ctx); err != nil {
			return nil, err
		}
		return queueAsynq(ctx, r, w, fair)
	}
	return s
}

// RedisPool tells of the pool of connections that Asynq has by default.
func RedisPool() string {
	const each = 10 // of go-redis, for each processor that Go uses
	return fmt.Sprintf("%d connections", each*runtime.GOMAXPROCS(0))
}

// AsynqClient connects to Redis to add tasks.
func AsynqClient(r *lab.Redis) *asynq.Client {
	return asynq.NewClient(asynq.RedisClientOpt{Addr: r.Addr})
}

type asynqJob struct {
	w         *load.Watch
	redis     *lab.Redis
	server    *asynq.Server
	inspector *asynq.Inspector
	queues    map[string]int
	begun     bool
}

func queueAsynq(ctx context.Context, r *lab.Redis, w *load.Watch, fair bool) (Job, error) {
	j := &asynqJob{w: w, redis: r, queues: map[string]int{}}
	queue := func(int) string { return "default" }
	if fair {
		queue = queueOf
	}
	client := AsynqClient(r)
	defer client.Close()
	for i, b := range w.Load.Batches {
		j.queues[queue(i)] = 1
		if err := EnqueueAsynq(ctx, client, i, len(b.Lengths), queue(i)); err != nil {
			return nil, errors.Join(err, r.Empty(ctx))
		}
	}
	opt := asynq.RedisClientOpt{Addr: r.Addr}
	j.inspector = asynq.NewInspector(opt)
	j.server = asynq.NewServer(opt, asynq.Config{
		Concurrency: w.Load.Slots, Queues: j.queues, Logger: silent{}, LogLevel: asynq.FatalLevel,
	})
	return j, nil
}

// EnqueueAsynq adds the tasks of a batch, sixteen at once: it has no call for many.
func EnqueueAsynq(ctx context.Context, client *asynq.Client, batch, n int, queue string) error {
	adding, ctx := errgroup.WithContext(ctx)
	const parallel = 16
	for part := range parallel {
		adding.Go(func() error {
			// Neighbours are added at about the same time, so the order is nearly that of the batch.
			for i := part; i < n; i += parallel {
				payload, err := json.Marshal(RiverArgs{Batch: batch, Index: i, To: Phone(i), Name: Metadata(i)})
				if err != nil {
					return err
				}
				if _, err := client.EnqueueContext(ctx, asynq.NewTask("call", payload), asynq.Queue(queue)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return adding.Wait()
}

func (j *asynqJob) Run(ctx context.Context) (time.Time, error) {
	work := asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		var args RiverArgs
		if err := json.Unmarshal(t.Payload(), &args); err != nil {
			return err
		}
		j.w.Call(ctx, args.Batch, args.Index)
		return nil
	})
	if err := j.server.Start(work); err != nil {
		return time.Time{}, err
	}
	j.begun = true
	return await(ctx, j.w, func(context.Context) (bool, error) {
		for queue := range j.queues {
			info, err := j.inspector.GetQueueInfo(queue)
			if err != nil || info.Size > 0 { // pending, active and all others; what is done is deleted
				return false, err
			}
		}
		return true, nil
	})
}

func (j *asynqJob) Close() error {
	if j.begun {
		j.server.Shutdown()
	}
	return errors.Join(j.inspector.Close(), j.redis.Empty(context.Background()))
}

// silent is a log that nobody reads.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}
