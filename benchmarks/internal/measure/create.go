package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
	"github.com/outdial/outdial/dialer"
)

// Create measures how long it takes until a whole batch is durable.
func Create(size Size) Measure {
	n, times := size.of(batchSize, batchSize, 200), size.of(10, 5, 1)
	m := Measure{
		Name:  "create",
		Title: fmt.Sprintf("Creating a batch of %d", n),
		Work: fmt.Sprintf("One batch of %d recipients, each with a number and a name, until it is durable; mean of %d "+
			"batches after a first one.", n, times),
		Notes: []string{
			"outdial checks the request, fingerprints it and keeps counts; River's rows have more columns and indexes.",
			"A floor writes rows of a key and bytes in one transaction, as many as outdial's rows took: in PostgreSQL's " +
				"log, in SQLite's file. SQLite gives the keys itself, which is the fastest.",
		},
		Metrics: []report.Metric{
			{Key: "ms", Name: "time", Unit: "ms", Digits: 1, Less: true},
			{Key: "bytes", Name: "written", Unit: "bytes/recipient", Digits: 0},
		},
	}
	for _, s := range systems.Stores() {
		m.add("outdial, "+s.Name, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return createOutdial(ctx, l, s, n, times)
		})
	}
	m.addCreatingPeers(n, times)
	m.add(nameCopy, systems.PostgresSync, "", func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
		return createCopy(ctx, l, n, times)
	})
	chunks := fmt.Sprintf("%d rows a statement, prepared", floorChunk)
	m.add(nameInsert, systems.SQLiteFull, chunks, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
		return createRows(ctx, l, n, times)
	})
	m.sumUp(plainLine(fmt.Sprintf("creating a batch of %d, ms", n), "ms", 1,
		"≤ InsertManyFast, ≤ 2 × the floor", []Goal{
			atMost("PostgreSQL ≤ River's InsertManyFast", 1, "ms", "outdial, PostgreSQL", nameRiverPostgres),
			atMost("SQLite ≤ River's InsertManyFast", 1, "ms", "outdial, SQLite", nameRiverSQLite),
			atMost("PostgreSQL ≤ 2 × COPY", 2, "ms", "outdial, PostgreSQL", nameCopy),
			atMost("SQLite ≤ 2 × one transaction", 2, "ms", "outdial, SQLite", nameInsert),
		}, nameRiverPostgres, nameRiverSQLite, systems.Asynq(false, false).Name, nameCopy, nameInsert))
	return m
}

// Names of rows that goals are about.
const (
	nameRiverPostgres = "River, PostgreSQL, InsertManyFast"
	nameRiverSQLite   = "River, SQLite, InsertManyFast"
	nameCopy          = "floor: PostgreSQL COPY"
	nameInsert        = "floor: SQLite, one transaction"
)

// addCreatingPeers adds the peers that insert n jobs at once.
func (m *Measure) addCreatingPeers(n, times int) {
	m.add(nameRiverPostgres, systems.PostgresSync, systems.Connections,
		func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			c, closing, err := systems.RiverPostgresInserter(ctx, l)
			if err != nil {
				return nil, err
			}
			return createRiver(ctx, l, c, n, times, closing)
		})
	m.add(nameRiverSQLite, systems.SQLiteFull, "one connection; "+systems.RiverSQLiteEarly,
		func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			c, closing, err := systems.RiverSQLiteInserter(ctx, l)
			if err != nil {
				return nil, err
			}
			return createRiver(ctx, l, c, n, times, closing)
		})
	for _, always := range []bool{false, true} {
		s := systems.Asynq(always, false)
		settings := "16 at once, " + systems.RedisPool()
		m.add(s.Name, s.Durability, settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			r, err := l.Redis(ctx, always)
			if err != nil {
				return nil, err
			}
			client := systems.AsynqClient(r) // its connections are made by the first time, which does not count
			closing := func() error { return errors.Join(client.Close(), r.Empty(ctx)) }
			return timeCreates(ctx, l, times, closing, func() error {
				return systems.EnqueueAsynq(ctx, client, 0, n, "default")
			})
		})
	}
}

func createRiver[TTx any](
	ctx context.Context, l *lab.Lab, c *river.Client[TTx], n, times int, closing func() error,
) (report.Sample, error) {
	jobs := systems.RiverJobs(0, n, "")
	return timeCreates(ctx, l, times, closing, func() error {
		_, err := c.InsertManyFast(ctx, jobs)
		return err
	})
}

func (m *Measure) add(name, durability, settings string, run func(context.Context, *lab.Lab) (report.Sample, error)) {
	m.Rows = append(m.Rows, Contender{name, durability, settings, run})
}

// timeCreates times create, after a first time that does not count, and closes.
func timeCreates(
	ctx context.Context, l *lab.Lab, times int, closing, create func() error,
) (s report.Sample, err error) {
	defer func() { err = errors.Join(err, closing()) }()
	if err := create(); err != nil {
		return nil, err
	}
	if err := l.Settle(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	for range times {
		if err := create(); err != nil {
			return nil, err
		}
	}
	return report.Sample{"ms": millis(time.Since(begun)) / float64(times)}, nil
}

func createOutdial(ctx context.Context, l *lab.Lab, kind systems.Store, n, times int) (report.Sample, error) {
	s, closing, err := kind.Open(ctx, l)
	if err != nil {
		return nil, err
	}
	e, err := systems.NewEngine(s, systems.Limits{systems.Org: n}, nobody{})
	if err != nil {
		return nil, errors.Join(err, closing())
	}
	r := systems.Request(n, n)
	return timeCreates(ctx, l, times, closing, func() error { return createOnce(ctx, e, r) })
}

func createOnce(ctx context.Context, e *batch.Engine, r batch.Request) error {
	_, err := e.Create(ctx, systems.Org, r)
	return err
}

// nobody is a carrier for engines that do not run.
type nobody struct{}

func (nobody) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{}, dialer.ErrNotPlaced
}
