package batch

import (
	"context"
	"errors"
	"fmt"
)

// Ready tells whether this engine can do its work now: nil, or why not. It asks the store, so
// it is for a probe every few seconds. An engine that was never meant to run is not
// ready: who only creates and reads asks the store itself.
func (e *Engine) Ready(ctx context.Context) error {
	ctx, cancel := e.sys.timeout(ctx, e.cfg.StoreTimeout)
	defer cancel()
	if _, err := e.cfg.Store.Nodes(ctx); err != nil {
		return fmt.Errorf("batch: the store does not answer: %w", err)
	}
	s := e.current()
	if s == nil {
		return errors.New("batch: the engine does not run")
	}
	return s.readiness()
}

func (s *session) readiness() error {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	switch {
	case draining:
		return errors.New("batch: the engine is stopping")
	case !s.ready.Load():
		return errors.New("batch: calls of a node that is gone are being taken over")
	case !s.leased(s.e.sys.now()):
		return errors.New("batch: the lease of this node could not be renewed")
	}
	for _, l := range s.running() {
		l.mu.Lock()
		err := l.storeError
		l.mu.Unlock()
		if err != nil {
			return fmt.Errorf("batch: the store refuses what happened to calls: %w", err)
		}
	}
	return nil
}
