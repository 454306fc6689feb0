package measure

import (
	"context"
	"runtime"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/lifecycle"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Lifecycle measures the pieces that each call pays for.
func Lifecycle(size Size) Measure {
	m := Measure{
		Name:  "lifecycle",
		Title: "A recipient's life, and a place within limits",
		Work: "Three transitions: dialled, connected, over; and a place in a semaphore, taken and given back. " +
			"One goroutine.",
		Notes: []string{
			"go test -bench . ./internal/lifecycle has the same as ordinary benchmarks.",
			"The table is behind a function that is called by a pointer, as the switch is.",
		},
		Metrics: []report.Metric{
			{Key: "ns", Name: "time", Unit: "ns", Digits: 1, Less: true},
			{Key: "allocs", Name: "allocations", Digits: 0},
			{Key: "bytes", Name: "allocated", Unit: "bytes", Digits: 0},
		},
	}
	most := time.Duration(size.of(300, 100, 1)) * time.Millisecond
	for _, p := range lifecycle.Pieces() {
		m.add(p.Name, systems.NotDurable, "", func(context.Context, *lab.Lab) (report.Sample, error) {
			return timePiece(p, most)
		})
	}
	line := plainLine("three transitions of a recipient, ns", "ns", 1, "≤ 2 × a switch", []Goal{
		atMost("the table ≤ 2 × a switch statement", 2, "ns", lifecycle.NameTable, lifecycle.NameSwitch),
	}, lifecycle.NameSwitch, lifecycle.NameMachine)
	for store := range line.Ours { // the same over each
		line.Ours[store] = figure("ns", lifecycle.NameTable)
	}
	m.sumUp(line)
	return m
}

// timePiece does it more and more often until it takes that long.
func timePiece(p lifecycle.Piece, most time.Duration) (report.Sample, error) {
	const first = 1000
	for n := first; ; n *= 2 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		if err := p.Do(n); err != nil {
			return nil, err
		}
		took := time.Since(begun)
		if took < most {
			continue
		}
		runtime.ReadMemStats(&after)
		return report.Sample{
			"ns":     float64(took.Nanoseconds()) / float64(n),
			"allocs": float64((after.Mallocs - before.Mallocs) / uint64(n)),
			"bytes":  float64((after.TotalAlloc - before.TotalAlloc) / uint64(n)),
		}, nil
	}
}
