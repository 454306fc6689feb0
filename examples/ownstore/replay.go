package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// replayer puts a journal into memory. The nodes that wrote it are all alive until
// one is known to have died, and none is when the replay is over.
type replayer struct {
	store    store.Store
	nodes    map[string]bool
	carriers map[string]bool // that any call was over so far
}

// elsewhere is a node of the replay that has what the one that adopts had not.
const elsewhere = "elsewhere"

// replay reads the journal and leaves it ready to be appended to.
func (s *Store) replay(ctx context.Context) error {
	r := replayer{store: s.memory, nodes: map[string]bool{}, carriers: map[string]bool{}}
	var whole int64
	in := bufio.NewReader(s.journal)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.line(ctx, line)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		whole += int64(len(line))
	}
	if err := r.buryAll(ctx); err != nil {
		return err
	}
	// A last line without an end was being written when the process died. Nobody was told
	// that it had been, so it goes.
	if err := s.journal.Truncate(whole); err != nil {
		return err
	}
	_, err := s.journal.Seek(whole, io.SeekStart)
	return err
}

func (r *replayer) line(ctx context.Context, line []byte) error {
	var rec record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields() // written by a newer version: better refused than half understood
	if err := d.Decode(&rec); err != nil {
		return err
	}
	switch {
	case rec.Create != nil:
		_, err := r.store.CreateBatch(ctx, rec.Create.Batch, rec.Create.newRecipients())
		return err
	case rec.Change != nil:
		_, err := r.store.Change(ctx, rec.Change.Org, rec.Change.ID, rec.Change.Change)
		return err
	case rec.Step != nil:
		return r.step(ctx, *rec.Step)
	case rec.Adopt != nil:
		return r.adopt(ctx, *rec.Adopt)
	}
	return errors.New("a record of nothing")
}

func (r *replayer) step(ctx context.Context, step store.Step) error {
	if err := r.meet(ctx, step.Owner); err != nil {
		return err
	}
	for _, e := range step.Events {
		r.carriers[e.Carrier] = true
	}
	for _, c := range step.Claims {
		r.carriers[c.Carrier] = true
	}
	_, err := r.store.Advance(ctx, step)
	return err
}

// adopt lets those die whose calls were adopted, and gives the node the carriers of what it
// adopted and no others. Then the calls that it may adopt are some of those that it might at the
// time, in the same order, so the same ones are adopted.
func (r *replayer) adopt(ctx context.Context, a adoption) error {
	if err := r.meet(ctx, a.Node); err != nil {
		return err
	}
	mine := map[string]bool{}
	for _, c := range a.Calls {
		call, err := r.store.Call(ctx, c.Org, c.ID)
		if err != nil {
			return err
		}
		if err := r.bury(ctx, call.Owner); err != nil {
			return err
		}
		mine[call.Carrier] = true
	}
	if err := r.share(ctx, a.Node, mine); err != nil {
		return err
	}
	claimed, err := r.store.Adopt(ctx, a.Node, len(a.Calls))
	if err != nil {
		return err
	}
	for i, c := range adoptionOf(a.Node, claimed).Calls {
		if c != a.Calls[i] {
			return fmt.Errorf("call %s was adopted instead of %s", c.ID, a.Calls[i].ID)
		}
	}
	return nil
}

// share gives a node these carriers, and all the others to another one.
func (r *replayer) share(ctx context.Context, node string, mine map[string]bool) error {
	others := maps.Clone(r.carriers)
	maps.DeleteFunc(others, func(carrier string, _ bool) bool { return mine[carrier] })
	for id, carriers := range map[string]map[string]bool{node: mine, elsewhere: others} {
		n := store.Node{ID: id, Carriers: slices.Collect(maps.Keys(carriers))}
		if err := r.beat(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *replayer) meet(ctx context.Context, node string) error {
	if _, known := r.nodes[node]; known {
		return nil
	}
	return r.beat(ctx, store.Node{ID: node})
}

// beat gives a node a lease for longer than any replay takes.
func (r *replayer) beat(ctx context.Context, n store.Node) error {
	const long = 365 * 24 * time.Hour
	r.nodes[n.ID] = true
	return r.store.Heartbeat(ctx, n, long)
}

func (r *replayer) bury(ctx context.Context, node string) error {
	if !r.nodes[node] {
		return nil
	}
	r.nodes[node] = false
	return r.store.Heartbeat(ctx, store.Node{ID: node}, 0)
}

func (r *replayer) buryAll(ctx context.Context) error {
	for node := range r.nodes {
		if err := r.bury(ctx, node); err != nil {
			return err
		}
	}
	return nil
}
