package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// planNode is a step of a plan as it was carried out.
type planNode struct {
	Type    string  `json:"Node Type"`              //nolint:tagliatelle // the server's name
	Index   string  `json:"Index Name"`             //nolint:tagliatelle // the server's name
	Table   string  `json:"Relation Name"`          //nolint:tagliatelle // the server's name
	Loops   float64 `json:"Actual Loops"`           //nolint:tagliatelle // the server's name
	Rows    float64 `json:"Actual Rows"`            //nolint:tagliatelle // the server's name, of a loop
	Removed float64 `json:"Rows Removed by Filter"` //nolint:tagliatelle // the server's name
	Hit     int     `json:"Shared Hit Blocks"`      //nolint:tagliatelle // the server's name
	Read    int     `json:"Shared Read Blocks"`     //nolint:tagliatelle // the server's name
	Plans   []planNode
}

func (n planNode) walk(visit func(planNode)) {
	visit(n)
	for _, p := range n.Plans {
		p.walk(visit)
	}
}

// plans are those of the statements that a store has run since they were last asked for. The server
// sends them itself (auto_explain), so they are the plans that were used.
type plans struct {
	mu   sync.Mutex
	list []planNode
}

func (p *plans) notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	_, text, found := strings.Cut(n.Message, "plan:\n")
	if !found {
		return
	}
	var got struct {
		Plan planNode
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		panic(err) // the server's own JSON
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, got.Plan)
}

func (p *plans) take() []planNode {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.list
	p.list = nil
	return list
}

// explained is a store whose plans are seen.
func explained(t *testing.T, url string) (*postgres.Store, *plans) {
	t.Helper()
	p := &plans{}
	config, err := pgxpool.ParseConfig(url + "&pool_max_conns=1")
	require.NoError(t, err)
	config.ConnConfig.OnNotice = p.notice
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, `LOAD 'auto_explain'; SET client_min_messages = log;
			SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET auto_explain.log_buffers = on;
			SET auto_explain.log_timing = off; SET auto_explain.log_format = json`).ReadAll()
		return err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), "SELECT"); err != nil {
		t.Skipf("auto_explain is missing, which postgresql-contrib has: %v", err)
	}
	return open(t, postgres.Config{Pool: pool, NoHints: true, Timeout: patience}), p
}

// A million recipients and calls of one organisation that is large, in 200 batches that are over but for the
// last, and a thousand that are small.
const million = `
	INSERT INTO outdial.batches (org, ring_timeout, max_duration, batch, target, first_target, weight, retry_count, status, stray,
			open, id, name, agent, number, region, idem_key, retry_key, fingerprint, created_at)
		SELECT org, 0, 0, b, 100, 100, 1, 0, 2, false, b < 0, convert_to('acb_' || lpad(b::text, 8, '0'), 'UTF8'), '', 
			convert_to('agent_' || b % 5, 'UTF8'), '', '', convert_to('key_' || b, 'UTF8'), '', '',
			'2026-01-01'::timestamptz + b * interval '1 hour'
		FROM (SELECT $ORG::bigint AS org, generate_series(1000, 1199) AS b UNION ALL SELECT generate_series(1, 1000), 1) x;
	INSERT INTO outdial.tallies (org, rev, batch, fresh, queued, dispatched, started, completed, failed, cancelled, unplaced)
		SELECT org, batch * 5000, batch, 5000, 0, 0, 0, CASE WHEN org = $ORG THEN 5000 ELSE 10 END, 0, 0, 0 FROM outdial.batches
		ON CONFLICT DO NOTHING;
	INSERT INTO outdial.organisations (org, rev, queued, in_flight, batches, active, id)
		SELECT i, 5000, 0, 0, 1, false, convert_to('small_' || i, 'UTF8') FROM generate_series(1, 1000) i;
	INSERT INTO outdial.recipients (org, rev, batch, idx, attempts, rest, end_reason, phone, call, error)
		SELECT b.org, b.batch * 5000 + i, b.batch, i, 1, 3, 1, '+14155550100',
			convert_to('call_' || lpad(b.batch::text, 8, '0') || lpad(i::text, 8, '0'), 'UTF8'), ''
		FROM outdial.batches b, generate_series(0, 4999) i WHERE b.batch >= 1000 OR (b.org BETWEEN 1 AND 1000 AND i < 10);
	INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, stray, unplaced, id, carrier, caller, ref,
			error, tries, details, dispatched_at)
		SELECT r.org, r.batch, r.idx, 1, 1, 3, 1, false, r.idx < 0, r.call, 'carrier_1', '', '', '', '', '',
			'2026-01-01'::timestamptz + r.rev * interval '1 second'
		FROM outdial.recipients r WHERE r.batch >= 1000 OR r.org BETWEEN 1 AND 1000;
	INSERT INTO outdial.again (org, batch, attempts, idx)
		SELECT b.org, b.batch, i % 7 + 1, i FROM outdial.batches b, generate_series(20000, 24999) i WHERE b.batch = 1;
	INSERT INTO outdial.recipients (org, rev, batch, idx, attempts, rest, end_reason, phone, call, error)
		SELECT org, 0, batch, idx, attempts, 0, 0, '+14155550100', '', '' FROM outdial.again WHERE org = $ORG;
	INSERT INTO outdial.metadata (org, batch, idx, data) SELECT org, batch, idx, '{}' FROM outdial.recipients
		WHERE batch >= 1000 OR org BETWEEN 1 AND 1000 AND idx < 20000;
	UPDATE outdial.organisations SET rev = 6000000, batches = 1199 WHERE org = $ORG;`

const analyze = "ANALYZE " + tables

func TestPlansAtAMillionRows(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows take a while")
	}
	t.Parallel()
	name := database(t, template)
	url := cluster.server.URL(name)
	s, p := explained(t, url)
	src, b := stocked(t, s, 2000)
	first := &scene{store: s, plans: p, src: src, batch: b}
	t.Log("while the tables are empty")
	first.check(t)
	var org int64
	require.NoError(t, session(t, url).QueryRow(t.Context(), "SELECT org FROM outdial.organisations").Scan(&org))
	run(t, url, strings.ReplaceAll(million, "$ORG", fmt.Sprint(org)))
	var n int
	require.NoError(t, session(t, url).QueryRow(t.Context(), "SELECT count(*) FROM outdial.calls").Scan(&n))
	require.Greater(t, n, 1_000_000)
	t.Log("with the plans of a connection that saw them empty")
	first.check(t)
	t.Log("with those of a new connection, before any statistics")
	first.again(t, url).check(t)
	run(t, url, analyze)
	t.Log("with statistics")
	first.again(t, url).check(t)
}

// Statistics of an organisation's first minute make plans that differ in what costs nothing then. They must be good
// until there are others, for a hundred times as much.
func TestPlansOfEarlyStatistics(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, template))
	s, p := explained(t, url)
	src, b := stocked(t, s, 2000)
	c := &scene{store: s, plans: p, src: src, batch: b, early: true}
	c.check(t)
	run(t, url, analyze)
	c.check(t)
	var org int64
	require.NoError(t, session(t, url).QueryRow(t.Context(), "SELECT org FROM outdial.organisations").Scan(&org))
	run(t, url, strings.NewReplacer("$ORG", fmt.Sprint(org), "4999", "499").Replace(million))
	c.check(t)
}

// scene is a store that the plans are asked of.
type scene struct {
	early bool // the plans are from a time of which any index was good enough

	store *postgres.Store
	plans *plans
	src   *source
	batch store.Batch
	mine  []store.Claimed
}

// again is the same over a new connection, which has no plans yet.
func (c *scene) again(t *testing.T, url string) *scene {
	t.Helper()
	c.store, c.plans = explained(t, url)
	return c
}

// ask runs something and returns which indexes were walked, by the way that is the only one, and how many
// pages were touched.
func (c *scene) ask(t *testing.T, what string, do func() error) (indexes []string, pages int) {
	t.Helper()
	c.plans.take()
	require.NoError(t, do(), what)
	list := c.plans.take()
	require.NotEmpty(t, list, what)
	for _, plan := range list {
		pages += plan.Hit + plan.Read
		plan.walk(func(n planNode) {
			if what != "adopt" || n.Table != "flights" { // of which this looks at all
				require.NotContains(t, []string{"Seq Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join"}, n.Type, "%s: %s", what, n.Table)
			}
			most := 100.0
			if c.early && n.Table == "batches" {
				most = 250 // as many as there are: of the one that there was, no index was better than another
			}
			require.LessOrEqual(t, n.Removed*n.Loops, most, "%s: rows of %s that were read for nothing", what, n.Table)
			if n.Index != "" {
				indexes = append(indexes, eitherOfFlights.Replace(n.Index))
			}
		})
	}
	slices.Sort(indexes)
	return slices.Compact(indexes), pages
}

// Two indexes have all flights of an organisation, and which one is walked for them does not matter. Where one flight is
// meant, the other would read some for nothing.
var eitherOfFlights = strings.NewReplacer("flights_id", "flights", "flights_pkey", "flights")

// check asks for everything that is asked often.
func (c *scene) check(t *testing.T) {
	t.Helper()
	ctx, s, id := t.Context(), c.store, c.batch.ID
	step := func() error {
		claim := c.src.claim(c.batch, 17)
		got, err := s.Advance(ctx, store.Step{
			Org: "org_1", Owner: "node_1", Now: c.src.clock, Limit: 1000, Events: completed(c.mine, c.src.clock),
			Claims: []store.Claim{claim}, // at the time of its ids, as an engine's
		})
		c.mine = got.Claimed
		return err
	}
	change := func() { // by which the calls have to be read again
		for _, action := range []store.Action{store.ActionPause, store.ActionResume} {
			_, err := s.Change(ctx, "org_1", id, store.Change{Action: action, At: c.src.clock})
			require.NoError(t, err)
		}
	}
	for range 3 { // what was known may be wrong, and is not relied upon at once
		require.NoError(t, step())
	}
	change()
	require.NoError(t, step())
	batches := func(q store.BatchQuery) func() error {
		q.Org = "org_1"
		q.Limit = 20
		return func() error { _, err := s.Batches(ctx, q); return err }
	}
	recipients := func(q store.RecipientQuery) func() error {
		q.Org, q.Limit = "org_1", 20
		return func() error { _, err := s.Recipients(ctx, q); return err }
	}
	calls := func(q store.CallQuery) func() error {
		q.Org, q.Limit = "org_1", 20
		return func() error { _, err := s.Calls(ctx, q); return err }
	}
	one, noon := 1, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, q := range []struct {
		what    string
		do      func() error
		indexes string
	}{
		{"step", step, "flights nodes_pkey organisations_pkey recipients_pkey tallies_pkey"},
		{"step after it", step, "flights nodes_pkey organisations_pkey recipients_pkey tallies_pkey"},
		{"step that reads ahead", step, "again_pkey batches_id flights metadata_pkey nodes_pkey organisations_pkey recipients_pkey tallies_pkey"},
		{"step behind a change", step, "again_pkey batches_id calls_pkey flights metadata_pkey nodes_id_key nodes_pkey organisations_pkey recipients_pkey tallies_pkey"},
		{"batch", func() error { _, err := s.Batch(ctx, "org_1", id); return err }, "batches_id organisations_pkey tallies_pkey"},
		{"call", func() error { _, err := s.Call(ctx, "org_1", c.mine[0].Call.ID); return err }, "batches_pkey calls_pkey flights nodes_pkey organisations_pkey recipients_pkey"},
		{"batches", batches(store.BatchQuery{}), "batches_id batches_pkey organisations_pkey tallies_pkey"},
		{"open batches", batches(store.BatchQuery{Open: true}), "batches_open batches_pkey organisations_pkey tallies_pkey"},
		{"failed batches", batches(store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchFailed}}), "batches_pkey batches_status organisations_pkey tallies_pkey"},
		{"an agent's batches", batches(store.BatchQuery{AgentID: "agent_2", Statuses: []fsm.BatchStatus{fsm.BatchFailed}}), "batches_agent_status batches_pkey organisations_pkey tallies_pkey"},
		{"batches of a time", batches(store.BatchQuery{CreatedTo: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)}), "batches_created batches_id batches_pkey batches_stray organisations_pkey tallies_pkey"},
		{"batch under a key", batches(store.BatchQuery{Key: "key_1100"}), "batches_key batches_pkey organisations_pkey tallies_pkey"},
		{"batches since", batches(store.BatchQuery{ByRev: true, AfterRev: 5_999_900}), "batches_pkey organisations_pkey tallies_rev"},
		{"recipients", recipients(store.RecipientQuery{BatchID: id, From: 900}), "batches_id batches_pkey flights metadata_pkey organisations_pkey recipients_pkey"},
		{"recipients before", recipients(store.RecipientQuery{BatchID: id, Before: 900}), "batches_id batches_pkey flights metadata_pkey organisations_pkey recipients_pkey"},
		{"recipients since", recipients(store.RecipientQuery{ByRev: true, AfterRev: 5_999_900}), "batches_pkey flights metadata_pkey organisations_pkey recipients_pkey recipients_rev"},
		{"recipients of a batch since", recipients(store.RecipientQuery{BatchID: id, ByRev: true, AfterRev: 5_999_900}), "batches_id batches_pkey flights metadata_pkey organisations_pkey recipients_pkey recipients_rev tallies_pkey"},
		{"calls", calls(store.CallQuery{}), "batches_pkey calls_pkey flights nodes_pkey organisations_pkey recipients_pkey"},
		{"calls of a batch", calls(store.CallQuery{BatchID: id}), "batches_id batches_pkey calls_batch flights nodes_pkey organisations_pkey recipients_pkey"},
		{"calls of a recipient", calls(store.CallQuery{BatchID: id, Recipient: &one}), "batches_id batches_pkey calls_batch flights nodes_pkey organisations_pkey recipients_pkey"},
		{"calls in flight", calls(store.CallQuery{InFlight: true, Owner: "node_1"}), "batches_pkey flights nodes_id_key nodes_pkey organisations_pkey recipients_pkey"},
		{"calls to be hung up", calls(store.CallQuery{InFlight: true, HangUp: true, Owner: "node_1"}), "batches_pkey flights_hang_up nodes_id_key nodes_pkey organisations_pkey recipients_pkey"},
		{"calls of an agent", calls(store.CallQuery{AgentID: "agent_2"}), "batches_agent batches_pkey calls_batch flights nodes_pkey organisations_pkey recipients_pkey"},
		{"calls of an agent who has none", calls(store.CallQuery{AgentID: "agent_9"}), "batches_agent batches_pkey calls_batch flights nodes_pkey organisations_pkey recipients_pkey"},
		{"an agent's calls before a call", calls(store.CallQuery{AgentID: "agent_2", Before: "call_0000100700000000"}), "batches_agent batches_pkey calls_batch flights nodes_pkey organisations_pkey recipients_pkey"},
		{"calls of a time", calls(store.CallQuery{DispatchedFrom: noon.Add(-time.Hour), DispatchedTo: noon}), "batches_pkey calls_pkey calls_stray flights nodes_pkey organisations_pkey recipients_pkey"},
		{"an agent's calls of a time", calls(store.CallQuery{AgentID: "agent_2", DispatchedFrom: noon.Add(-time.Hour), DispatchedTo: noon}), "batches_agent batches_pkey calls_batch calls_stray flights nodes_pkey organisations_pkey recipients_pkey"},
		{"active", func() error { _, err := s.Active(ctx); return err }, "organisations_active"},
		{"heartbeat", func() error { return s.Heartbeat(ctx, store.Node{ID: "node_1"}, time.Hour) }, "nodes_id_key"},
		{"nodes", func() error { _, err := s.Nodes(ctx); return err }, "nodes_expiry"},
		{"adopt", func() error { _, err := s.Adopt(ctx, "node_1", 10); return err }, "nodes_expiry nodes_id_key organisations_pkey"},
	} {
		if q.what == "step behind a change" {
			change()
		}
		indexes, pages := c.ask(t, q.what, q.do)
		most := 400 // of a page of 20, or less
		if q.what == "recipients of a batch since" {
			most = 450 // and of the flights of two steps, which are over
		}
		if strings.HasPrefix(q.what, "step") {
			most = 6000 // for 17 that end and 17 that begin
		}
		if strings.Contains(q.what, "calls") && strings.Contains(q.what, "agent") {
			most = 1500 // one for each of the agent's batches, and a page of each of 20; two indexes have the batches alike
			for i, name := range indexes {
				indexes[i] = strings.TrimSuffix(name, "_status")
			}
		}
		if c.early {
			most, indexes = max(most, 2500), strings.Fields(q.indexes)
		}
		require.Equal(t, q.indexes, strings.Join(indexes, " "), q.what)
		require.LessOrEqual(t, pages, most, "%s: pages that were touched", q.what)
	}
}
