package systems

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
)

// Semaphore is the floor: a loop over each batch that takes a slot for each call and starts a goroutine. It
// remembers nothing and is fair to nobody.
func Semaphore() System {
	return System{
		Name: "floor: bare semaphore", Durability: NotDurable,
		Queue: func(_ context.Context, _ *lab.Lab, w *load.Watch) (Job, error) { return &semaphores{w}, nil },
	}
}

type semaphores struct{ w *load.Watch }

func (s *semaphores) Run(ctx context.Context) (time.Time, error) {
	all := semaphore.NewWeighted(int64(s.w.Load.Slots))
	var calls, loops sync.WaitGroup
	for i, b := range s.w.Load.Batches {
		loops.Go(func() {
			own := semaphore.NewWeighted(int64(b.Limit))
			for index := range b.Lengths {
				if own.Acquire(ctx, 1) != nil || all.Acquire(ctx, 1) != nil {
					return
				}
				calls.Go(func() {
					s.w.Call(ctx, i, index)
					all.Release(1)
					own.Release(1)
				})
			}
		})
	}
	loops.Wait()
	calls.Wait()
	return time.Now(), ctx.Err()
}

func (s *semaphores) Close() error { return nil }
