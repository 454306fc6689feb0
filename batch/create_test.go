package batch_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

func metadata(m string) func(*batch.Request) {
	return func(r *batch.Request) { r.Recipients[1].Metadata = json.RawMessage(m) }
}

func to(number string) func(*batch.Request) {
	return func(r *batch.Request) { r.Recipients[1].To = number }
}

func (w *world) requireNothingStored() {
	w.t.Helper()
	bs, err := w.engine.Batches(w.t.Context(), store.BatchQuery{Org: org})
	require.NoError(w.t, err)
	require.Empty(w.t, bs)
}

func TestEachBadFieldIsNamed(t *testing.T) {
	long := strings.Repeat("x", 2000)
	tests := map[string]struct {
		change        func(*batch.Request)
		path, message string
	}{
		"no name":             {func(r *batch.Request) { r.Name = "" }, "name", "required"},
		"long name":           {func(r *batch.Request) { r.Name = long }, "name", "at most 1024 bytes, got 2000"},
		"name not in UTF-8":   {func(r *batch.Request) { r.Name = "\xff" }, "name", "valid UTF-8"},
		"no agent":            {func(r *batch.Request) { r.AgentID = "" }, "agent_id", "required"},
		"long agent":          {func(r *batch.Request) { r.AgentID = long }, "agent_id", "at most 255 bytes"},
		"no number":           {func(r *batch.Request) { r.NumberID = "" }, "from_number_id", "required"},
		"no recipients":       {func(r *batch.Request) { r.Recipients = nil }, "recipients", "1 to 5000 recipients, got 0"},
		"too many":            {func(r *batch.Request) { r.Recipients = numbers(0, 5001) }, "recipients", "got 5001"},
		"no number to call":   {to(""), "recipients[1].to_number", "E.164"},
		"no plus":             {to("12025550001"), "recipients[1].to_number", "does not begin with +"},
		"letters":             {to("+1202CALLME"), "recipients[1].to_number", "no digit"},
		"too long":            {to("+1234567890123456"), "recipients[1].to_number", "16 digits"},
		"large metadata":      {metadata(`{"a":"` + strings.Repeat("x", store.MaxMetadata) + `"}`), "recipients[1].metadata", "at most 1048576 bytes"},
		"metadata is a list":  {metadata(`[1]`), "recipients[1].metadata", "a JSON object"},
		"metadata is null":    {metadata(`null`), "recipients[1].metadata", "a JSON object"},
		"metadata is empty":   {metadata(``), "recipients[1].metadata", "a JSON object"},
		"metadata is blank":   {metadata(" \n"), "recipients[1].metadata", "a JSON object"},
		"metadata is no JSON": {metadata(`{"a":}`), "recipients[1].metadata", "a JSON object"},
		"metadata not UTF-8":  {metadata("{\"a\":\"\xff\"}"), "recipients[1].metadata", "valid UTF-8"},
		"negative target":     {func(r *batch.Request) { r.Target = -1 }, "target_concurrency_limit", "at least 1, got -1"},
		"target above limit":  {func(r *batch.Request) { r.Target = 11 }, "target_concurrency_limit", "limit of 10, got 11"},
		"negative weight":     {func(r *batch.Request) { r.Weight = -1 }, "weight", "1 to 1000, got -1"},
		"large weight":        {func(r *batch.Request) { r.Weight = 1001 }, "weight", "got 1001"},
		"short ringing":       {func(r *batch.Request) { r.RingTimeout = 4 * time.Second }, "ringing_timeout_seconds", "from 5 to 80"},
		"long ringing":        {func(r *batch.Request) { r.RingTimeout = 81 * time.Second }, "ringing_timeout_seconds", "got 1m21s"},
		"ringing in between":  {func(r *batch.Request) { r.RingTimeout = 5500 * time.Millisecond }, "ringing_timeout_seconds", "whole number"},
		"negative ringing":    {func(r *batch.Request) { r.RingTimeout = -time.Minute }, "ringing_timeout_seconds", "got -1m0s"},
		"short calls":         {func(r *batch.Request) { r.MaxDuration = time.Second }, "max_call_duration_minutes", "from 1 to 480"},
		"long calls":          {func(r *batch.Request) { r.MaxDuration = 481 * time.Minute }, "max_call_duration_minutes", "got 8h1m0s"},
		"unknown region":      {func(r *batch.Request) { r.Region = "MARS" }, "region", `one of US, EU, APAC, got "MARS"`},
		"long key":            {func(r *batch.Request) { r.Key = long }, "idempotency_key", "at most 255 bytes"},
		"key not in UTF-8":    {func(r *batch.Request) { r.Key = "\xff" }, "idempotency_key", "valid UTF-8"},
		"begins in the past":  {func(r *batch.Request) { r.ScheduledAt = time.Now().Add(-time.Hour) }, "scheduled_at", "in the future"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, dialer.Limits{})
			w.dir.set(func(d *directory) { d.number.AnyRegion = true })
			r := request(3)
			test.change(&r)
			_, err := w.engine.Create(t.Context(), org, r)
			var invalid *batch.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Len(t, invalid.Fields, 1)
			require.Equal(t, test.path, invalid.Fields[0].Path)
			require.Contains(t, invalid.Fields[0].Message, test.message)
			w.requireNothingStored()
		})
	}
}

func TestAllBadFieldsAreNamedInTheirOrder(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	w.dir.set(func(d *directory) { d.number.InboundOnly = true })
	r := request(20)
	r.Name, r.AgentID, r.Target, r.Weight, r.Region = "", "", 99, -1, "EU"
	r.RingTimeout, r.MaxDuration, r.ScheduledAt = 1, 1, time.Now().Add(-1)
	r.Recipients[3].Metadata = json.RawMessage("1")
	r.Recipients[17].To, r.Recipients[17].Metadata = "17", json.RawMessage("1")
	r.Key = strings.Repeat("k", 256)
	_, err := w.engine.Create(t.Context(), org, r)
	var invalid *batch.InvalidError
	require.ErrorAs(t, err, &invalid)
	var paths []string
	for _, f := range invalid.Fields {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{
		"name", "agent_id", "from_number_id", "recipients[3].metadata", "recipients[17].to_number",
		"recipients[17].metadata", "target_concurrency_limit", "weight", "ringing_timeout_seconds",
		"max_call_duration_minutes", "scheduled_at", "region", "idempotency_key",
	}, paths)
	require.ErrorContains(t, err, "and 8 more")
	w.requireNothingStored()
}

func TestWhatDoesNotExist(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	_, err := w.engine.Create(t.Context(), "globex", request(1))
	require.ErrorIs(t, err, batch.ErrNotFound)
	r := request(1)
	r.AgentID = "nobody"
	_, err = w.engine.Create(t.Context(), org, r)
	require.ErrorIs(t, err, batch.ErrNotFound)
	require.ErrorContains(t, err, `agent "nobody"`)
	r = request(1)
	r.NumberID = "nowhere"
	_, err = w.engine.Create(t.Context(), org, r)
	require.ErrorIs(t, err, batch.ErrNotFound)
	require.ErrorContains(t, err, `number "nowhere"`)
	r.AgentID = "nobody"
	_, err = w.engine.Create(t.Context(), org, r)
	require.ErrorIs(t, err, batch.ErrNotFound)
	var missing *batch.MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []batch.FieldError{
		{Path: "agent_id", Message: `there is no agent "nobody"`},
		{Path: "from_number_id", Message: `there is no number "nowhere"`},
	}, missing.Fields)
	w.requireNothingStored()
}

func TestADirectoryThatFailsIsNotTakenForAnAnswer(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	down := errors.New("the directory is down")
	w.dir.set(func(d *directory) { d.err = down })
	_, err := w.engine.Create(t.Context(), org, request(1))
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, batch.ErrNotFound)
	_, err = w.engine.Retry(t.Context(), org, "acb_1")
	require.ErrorIs(t, err, down)
	w.requireNothingStored()
}

func TestUsageLimit(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	b := w.create(request(1))
	w.dir.set(func(d *directory) { d.orgs[org] = batch.Organisation{ConcurrencyLimit: 10, UsageExceeded: true} })
	_, err := w.engine.Create(t.Context(), org, request(1))
	require.ErrorIs(t, err, batch.ErrUsageLimit)
	_, err = w.engine.Retry(t.Context(), org, b.ID)
	require.ErrorIs(t, err, batch.ErrUsageLimit)
	_, err = w.engine.Cancel(t.Context(), org, b.ID)
	require.NoError(t, err, "stopping is always allowed")
}

func TestDefaults(t *testing.T) {
	for limit, target := range map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 9: 4, 10: 5} {
		w := newWorld(t, dialer.Limits{})
		w.dir.limit(org, limit)
		b := w.create(request(1))
		require.Equal(t, target, b.Target, "limit %d", limit)
		require.Equal(t, 1, b.Weight)
		require.Equal(t, time.Minute, b.RingTimeout)
		require.Equal(t, 8*time.Hour, b.MaxDuration)
		require.Equal(t, "US", b.Region)
		require.Zero(t, b.PausedAt)
	}
}

func TestRegionOfABatch(t *testing.T) {
	tests := []struct {
		request, number, org string
		anyRegion            bool
		want                 string // empty: refused
	}{
		{"", "", "", false, "US"},
		{"", "", "APAC", false, "APAC"},
		{"", "EU", "APAC", false, "EU"},
		{"US", "EU", "APAC", true, "US"},
		{"US", "EU", "APAC", false, ""},
	}
	for _, test := range tests {
		w := newWorld(t, dialer.Limits{})
		w.dir.set(func(d *directory) {
			d.number.Region, d.number.AnyRegion = test.number, test.anyRegion
			d.orgs[org] = batch.Organisation{ConcurrencyLimit: 2, Region: test.org}
		})
		r := request(1)
		r.Region = test.request
		b, err := w.engine.Create(t.Context(), org, r)
		require.Equal(t, test.want, b.Region)
		require.Equal(t, test.want == "", err != nil, err)
	}
}

func TestScheduleBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		for ahead, ok := range map[time.Duration]bool{
			0: false, time.Microsecond: true, batch.MaxScheduleAhead: true, batch.MaxScheduleAhead + time.Second: false,
		} {
			r := request(1)
			r.ScheduledAt = time.Now().Add(ahead)
			b, err := w.engine.Create(t.Context(), org, r)
			require.Equal(t, ok, err == nil, "%v: %v", ahead, err)
			require.Equal(t, ok, b.ScheduledAt.Equal(r.ScheduledAt))
		}
	})
}

func TestMetadataIsKeptByteForByte(t *testing.T) {
	w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.MaxMetadata = 100 })
	huge := new(big.Int).Exp(big.NewInt(7), big.NewInt(70), nil).String()
	kept := `{"z": 1e400,"a":` + huge + `, "é":"\u00e9"}`
	r := request(2)
	r.Recipients[0].Metadata = json.RawMessage(kept)
	rs := w.recipients(w.create(r).ID)
	require.Equal(t, kept, string(rs[0].Metadata))
	require.Nil(t, rs[1].Metadata)
	for size, ok := range map[int]bool{100: true, 101: false} {
		r.Recipients[1].Metadata = json.RawMessage(`{"a":"` + strings.Repeat("x", size-8) + `"}`)
		_, err := w.engine.Create(t.Context(), org, r)
		require.Equal(t, ok, err == nil, "%d bytes: %v", size, err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		at := time.Now().Add(48 * time.Hour)
		r := request(3)
		r.Key, r.KeyUntil, r.ScheduledAt = "k", time.Now().Add(time.Hour), at
		first := w.create(r)
		r.ScheduledAt = at.In(time.FixedZone("elsewhere", 3600))
		r.KeyUntil = time.Time{}
		require.Equal(t, first.ID, w.create(r).ID, "the same moment, spelt differently")
		_, err := w.engine.Cancel(t.Context(), org, first.ID)
		require.NoError(t, err)
		require.Equal(t, first.ID, w.create(r).ID, "whatever became of it")
		r.Recipients[2].Metadata = json.RawMessage(`{}`)
		_, err = w.engine.Create(t.Context(), org, r)
		require.ErrorIs(t, err, batch.ErrKeyReused)
		w.dir.limit("globex", 2)
		require.NotEqual(t, first.ID, w.createFor("globex", r).ID, "another organisation's key is another key")
		pass(time.Hour)
		require.NotEqual(t, first.ID, w.create(r).ID, "the key has run out")
	})
}

func TestCreateOnceTellsAReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		r := request(3)
		r.Key = "k"
		first, replayed, err := w.engine.CreateOnce(t.Context(), org, r)
		require.NoError(t, err)
		require.False(t, replayed)
		again, replayed, err := w.engine.CreateOnce(t.Context(), org, r)
		require.NoError(t, err)
		require.True(t, replayed)
		require.Equal(t, first, again)
		r.Name = "another"
		_, replayed, err = w.engine.CreateOnce(t.Context(), org, r)
		require.ErrorIs(t, err, batch.ErrKeyReused)
		require.False(t, replayed)
	})
}

// What is wrong with the batch itself is told before the limit, of which no change would help.
func TestRetryOverTheUsageLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		going, over := w.create(request(3)), w.create(request(3))
		_, err := w.engine.Cancel(t.Context(), org, over.ID)
		require.NoError(t, err)
		w.dir.set(func(d *directory) { d.orgs[org] = batch.Organisation{ConcurrencyLimit: 5, UsageExceeded: true} })
		for id, want := range map[string]error{
			"acb_1": batch.ErrNotFound, over.ID: batch.ErrBatchCancelled, going.ID: batch.ErrUsageLimit,
		} {
			_, err := w.engine.Retry(t.Context(), org, id)
			require.ErrorIs(t, err, want)
		}
	})
}

func TestALostAnswerOfTheStoreCreatesOneBatch(t *testing.T) {
	for _, after := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			var faults *storetest.Faults
			w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
				fault := storetest.Fault{After: after, Err: errors.New("connection reset")}
				faults = storetest.NewFaults(c.Store, storetest.Plan{
					{Method: "CreateBatch", N: 1}: fault, {Method: "CreateBatch", N: 2}: fault,
				}.Fault)
				c.Store = faults
			})
			b := w.create(request(3))
			require.Equal(t, 3, faults.Count("CreateBatch"))
			bs, err := w.engine.Batches(t.Context(), store.BatchQuery{Org: org})
			require.NoError(t, err)
			require.Len(t, bs, 1)
			require.Equal(t, b.ID, bs[0].ID)
		})
	}
}

func TestAStoreThatStaysAwayIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		away := errors.New("no route to host")
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			c.Store = storetest.NewFaults(c.Store, func(storetest.Point) storetest.Fault { return storetest.Fault{Err: away} })
		})
		_, err := w.engine.Create(t.Context(), org, request(1))
		require.ErrorIs(t, err, away)
	})
}

func TestCreatedPaused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.run()
		r := request(3)
		r.Paused = true
		b := w.create(r)
		require.Equal(t, b.CreatedAt, b.PausedAt)
		pass(time.Hour)
		require.Equal(t, fsm.Counts{Queued: 3}, w.batch(b.ID).Counts)
		_, err := w.engine.Resume(t.Context(), org, b.ID)
		require.NoError(t, err)
		require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
	})
}
