package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/examples/outdial/remote"
	"github.com/outdial/outdial/store"
)

var _ backend = server{}

// server is the backend that another process is, over HTTP.
type server struct{ *remote.Client }

// openServer makes the session for --server. Nothing is sent yet.
func (a *app) openServer() (*session, error) {
	switch {
	case a.cli.DB != "":
		return nil, usagef("--db names a database, and --server (or OUTDIAL_SERVER) names a server, " +
			"which has its own: leave one of them out")
	case a.cli.Store != "":
		return nil, usagef("--store (or OUTDIAL_STORE) names a database, and --server (or OUTDIAL_SERVER) names a server, " +
			"which has its own: leave one of them out")
	case a.cli.Config != "":
		return nil, usagef("--config is for this process, and --server (or OUTDIAL_SERVER) names a server, " +
			"which has its own: leave one of them out")
	case a.cli.Org != "":
		return nil, usagef("at a server the key says which organisation it is: leave out --org")
	case a.cli.APIKey == "":
		return nil, usagef("a server needs an API key: set OUTDIAL_KEY, or give --key")
	}
	c, err := remote.New(remote.Config{URL: a.cli.Server, Key: a.cli.APIKey})
	if err != nil {
		return nil, usagef("--server and --key: %w", err)
	}
	return &session{backend: server{c}}, nil
}

// Batches implements backend.
func (s server) Batches(ctx context.Context, open bool) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for b, err := range s.Client.Batches(ctx, "", open) {
			if !yield(b, err) {
				return
			}
		}
	}
}

// Whole implements backend.
func (s server) Whole(ctx context.Context, id string, _ bool) (store.Batch, []store.Recipient, error) {
	return s.Client.Whole(ctx, id)
}

// Change implements backend.
func (s server) Change(ctx context.Context, id string, c store.Change) (store.Batch, error) {
	switch c.Action { //nolint:exhaustive // calls are not ended by any command
	case store.ActionCancel:
		return s.Cancel(ctx, id)
	case store.ActionPause:
		return s.Pause(ctx, id)
	case store.ActionResume:
		return s.Resume(ctx, id)
	case store.ActionRetry:
		return s.Retry(ctx, id)
	case store.ActionSetTarget:
		return s.SetTarget(ctx, id, c.Target)
	}
	return store.Batch{}, fmt.Errorf("no command asks for action %d", c.Action)
}

// Earlier implements backend. A server does not tell the keys of batches, and forgets them after a day. So
// the batch is found by what it has been dialling: the same recipients in the same order, with the
// same metadata, agent and number. The key of a new one names the batch that it follows.
func (s server) Earlier(ctx context.Context, p plan) (latest store.Batch, key string, err error) {
	for b, err := range s.Client.Batches(ctx, p.request.AgentID, false) {
		if err != nil {
			return b, "", err
		}
		if latest.ID != "" && b.Counts.Over() {
			continue // an older one that is over is no matter
		}
		same, err := s.dials(ctx, b, p)
		switch {
		case err != nil:
			return b, "", err
		case same && !b.Counts.Over():
			return b, "", nil
		case same:
			latest = b
		}
	}
	return latest, keyPrefix(p, "") + cmp.Or(latest.ID, "first"), nil
}

// dials says whether the batch is of the same recipients. It reads them as far as they are the same.
func (s server) dials(ctx context.Context, b store.Batch, p plan) (bool, error) {
	want := p.request.Recipients
	if b.AgentID != p.request.AgentID || b.NumberID != p.request.NumberID || b.Counts.Scheduled() != len(want) {
		return false, nil
	}
	next := 0
	for r, err := range s.Recipients(ctx, b.ID) {
		if err != nil {
			return false, err
		}
		if next == len(want) || r.To != dialer.Phone(want[next].To) || !sameJSON(r.Metadata, want[next].Metadata) {
			return false, nil
		}
		next++
	}
	return next == len(want), nil
}

// sameJSON compares byte for byte, but for white space.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	if len(a) > 0 && json.Compact(&x, a) != nil || len(b) > 0 && json.Compact(&y, b) != nil {
		return false
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// Create implements backend.
func (s server) Create(ctx context.Context, r batch.Request) (store.Batch, error) {
	b, err := s.Client.Create(ctx, r)
	if e, ok := errors.AsType[*remote.Error](err); err != nil && (!ok || e.Status >= http.StatusInternalServerError) {
		return b, fmt.Errorf("%w; if it was created all the same, the same command finds it", err)
	}
	return b, err
}

// runAtServer has a server dial the file, and shows how it goes.
func (c *runCmd) runAtServer(ctx context.Context, a *app) error {
	switch {
	case c.DryRun:
		return usagef("--dry-run checks a file against the configuration of this process, and a server has its own: " +
			"leave out --server for it")
	case c.Listen != "":
		return usagef("--listen is for carriers of this process, and a server has its own: leave out one of them")
	case c.Agent == "" || c.From == "":
		return usagef("at a server, --agent and --number are required: which agents and numbers it has is not known here")
	}
	s, err := a.openServer()
	if err != nil {
		return err
	}
	file, err := c.read(a)
	if err != nil {
		return first(err, s.Close())
	}
	p := plan{file: file, deduped: c.Dedupe}
	p.request = c.request(p, c.Agent, c.From)
	err = c.dial(ctx, a, s, p)
	if errors.Is(err, batch.ErrNotFound) {
		err = usagef("the server has no agent %q, or no number %q to call from: %w", c.Agent, c.From, err)
	}
	return first(err, s.Close())
}

// refused says whether a server's answer is about what it was asked, so that asking again is no use.
func refused(err error) bool {
	e, ok := errors.AsType[*remote.Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
