package storetest

import (
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// happen writes events that must apply.
func (f *fixture) happen(node string, events ...store.Event) store.Advanced {
	f.Helper()
	got := f.advance(store.Step{Owner: node, Events: events})
	f.equal("lost events", len(got.Lost), 0)
	return got
}

// event is something that happens to a call, with nothing said about it yet.
func event(c store.Call, s fsm.RecipientStatus) store.Event {
	return store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID, Status: s}
}

func (f *fixture) started(c store.Call) store.Event {
	e := event(c, fsm.Started)
	e.StartedAt = f.tick()
	return e
}

func (f *fixture) completed(c store.Call) store.Event {
	e := event(c, fsm.Completed)
	e.EndedAt, e.EndReason = f.tick(), dialer.ClientHangup
	return e
}

func (f *fixture) busy(c store.Call) store.Event {
	e := event(c, fsm.Failed)
	e.EndedAt, e.EndReason = f.tick(), dialer.DialBusy
	return e
}

func (f *fixture) unplaced(c store.Call) store.Event {
	e := event(c, fsm.Failed)
	e.EndedAt, e.Error, e.Unplaced = f.tick(), "no route", true
	return e
}

func (f *fixture) requeued(c store.Call) store.Event {
	e := event(c, fsm.Queued)
	e.EndedAt, e.Error = f.tick(), "the carrier is full"
	return e
}
