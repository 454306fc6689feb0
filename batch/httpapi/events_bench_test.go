package httpapi

import (
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer/fake"
)

// BenchmarkListeners dials batches of 5,000, under a limit of 100, on which nobody and on which
// 1,000 clients listen, in turns, and reports how much longer it takes with them: the median
// of the rounds. Calls last 100 ms, so that the slots are what is scarce, as they are where people
// talk for minutes; or nothing at all, so that it is the processor.
func BenchmarkListeners(b *testing.B) {
	for name, talk := range map[string]time.Duration{"calls=100ms": 100 * time.Millisecond, "calls=0": 0} {
		b.Run(name, func(b *testing.B) {
			rounds, listeners := 3, 1000
			if testing.Short() {
				rounds, listeners, talk = 1, 100, talk/10
			}
			var ratios []float64
			for b.Loop() {
				for range rounds {
					alone := dialHeard(b, talk, 0)
					ratios = append(ratios, float64(dialHeard(b, talk, listeners))/float64(alone))
				}
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// dialHeard is how long a batch takes that some listen to.
func dialHeard(b *testing.B, talk time.Duration, listeners int) time.Duration {
	b.Helper()
	w := newBroadcast(b, nil, 100, fake.Config{Shares: fake.Shares{Answer: 1}, Talk: talk})
	made := w.create("acme", 5000)
	var reading sync.WaitGroup
	conns := make([]net.Conn, listeners)
	for i := range conns {
		conns[i] = w.deaf("acme", eventsOf(made.ID)+"?after="+strconv.FormatInt(made.Rev, 10))
		reading.Go(func() { _, _ = io.Copy(io.Discard, conns[i]) })
	}
	keepsComing(b, "all listen", func() bool { return w.listening(topic{"acme", made.ID}) == listeners })
	begun := time.Now()
	w.dial()
	w.over("acme", made.ID)
	took := time.Since(begun)
	for _, c := range conns {
		c.Close()
	}
	reading.Wait()
	return took
}
