// Package lifecycle has the pieces that every call pays for, each beside what could be there instead:
// a life of a recipient, which is three transitions, and a place within limits.
package lifecycle

import (
	"context"
	"errors"
	"fmt"

	looplab "github.com/looplab/fsm"
	"golang.org/x/sync/semaphore"

	"github.com/outdial/outdial/fsm"
)

// Piece does something n times. The error tells that it did something else.
type Piece struct {
	Name string
	Do   func(n int) error
}

// The names of the pieces that a goal is about.
const (
	NameTable  = "outdial, table"
	NameSwitch = "floor: switch statement"

	NameMachine = "looplab/fsm, a machine each"
)

// Pieces are all of them.
func Pieces() []Piece {
	return []Piece{
		{NameTable, Table},
		{NameSwitch, Switch},
		{NameMachine, Machines},
		{"looplab/fsm, one machine, SetState", Machine},
		{"x/sync/semaphore, one limit", func(n int) error { return Semaphores(n, 1) }},
		{"x/sync/semaphore, two limits", func(n int) error { return Semaphores(n, 2) }},
	}
}

// Table is what outdial's hot path does.
func Table(n int) error { return live(n, fsm.RecipientStatus.Next) }

// Switch is the same as a switch statement, which nobody drew a diagram of.
func Switch(n int) error { return live(n, next) }

func live(n int, next func(fsm.RecipientStatus, fsm.RecipientEvent) (fsm.RecipientStatus, error)) error {
	events := [...]fsm.RecipientEvent{fsm.Dispatch, fsm.Connect, fsm.Complete}
	for range n {
		s := fsm.Queued
		for _, e := range events {
			var err error
			if s, err = next(s, e); err != nil {
				return err
			}
		}
		if s != fsm.Completed {
			return fmt.Errorf("lifecycle: ended as %v, want completed", s)
		}
	}
	return nil
}

//go:noinline
func next(s fsm.RecipientStatus, e fsm.RecipientEvent) (fsm.RecipientStatus, error) {
	switch e {
	case fsm.Dispatch:
		if s == fsm.Queued {
			return fsm.Dispatched, nil
		}
	case fsm.Requeue:
		if s == fsm.Dispatched {
			return fsm.Queued, nil
		}
	case fsm.Connect:
		if s == fsm.Dispatched {
			return fsm.Started, nil
		}
	case fsm.Complete:
		if s == fsm.Started || s == fsm.Dispatched {
			return fsm.Completed, nil
		}
	case fsm.Fail:
		if s == fsm.Queued || s == fsm.Dispatched || s == fsm.Started {
			return fsm.Failed, nil
		}
	case fsm.Cancel:
		if s == fsm.Queued {
			return fsm.Cancelled, nil
		}
	case fsm.Retry:
		if s == fsm.Failed {
			return fsm.Queued, nil
		}
	}
	return s, fmt.Errorf("lifecycle: no transition from %v by %v", s, e)
}

// transitions are the life for looplab, with those that it has beside it.
func transitions() looplab.Events {
	return looplab.Events{
		{Name: "dispatch", Src: []string{"queued"}, Dst: "dispatched"},
		{Name: "requeue", Src: []string{"dispatched"}, Dst: "queued"},
		{Name: "connect", Src: []string{"dispatched"}, Dst: "started"},
		{Name: "complete", Src: []string{"started", "dispatched"}, Dst: "completed"},
		{Name: "fail", Src: []string{"queued", "dispatched", "started"}, Dst: "failed"},
		{Name: "cancel", Src: []string{"queued"}, Dst: "cancelled"},
		{Name: "retry", Src: []string{"failed"}, Dst: "queued"},
	}
}

// Machines makes a machine for each recipient, as looplab's examples do.
func Machines(n int) error {
	all := transitions()
	for range n {
		if err := drive(looplab.NewFSM("queued", all, nil)); err != nil {
			return err
		}
	}
	return nil
}

// Machine has one machine for everybody, whose state is set before.
func Machine(n int) error {
	m := looplab.NewFSM("queued", transitions(), nil)
	for range n {
		m.SetState("queued")
		if err := drive(m); err != nil {
			return err
		}
	}
	return nil
}

func drive(m *looplab.FSM) error {
	for _, e := range []string{"dispatch", "connect", "complete"} {
		if err := m.Event(context.Background(), e); err != nil {
			return err
		}
	}
	if !m.Is("completed") {
		return fmt.Errorf("lifecycle: ended as %s, want completed", m.Current())
	}
	return nil
}

// Semaphores takes a place within that many limits and gives it back.
func Semaphores(n, limits int) error {
	all := make([]*semaphore.Weighted, limits)
	for i := range all {
		all[i] = semaphore.NewWeighted(1)
	}
	for range n {
		for _, s := range all {
			if !s.TryAcquire(1) {
				return errors.New("lifecycle: a semaphore that nobody holds is not free")
			}
		}
		for _, s := range all {
			s.Release(1)
		}
	}
	return nil
}
