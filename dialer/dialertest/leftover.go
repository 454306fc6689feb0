package dialertest

import (
	"fmt"
	"strings"
)

func leftoverRules() []rule {
	return []rule{
		{"NoCallIsLeftLive", "when Dial has returned, the call is over at the carrier too", noCallIsLeftLive},
		{
			"NoGoroutineIsLeftBehind",
			"a call leaves no goroutine behind, however it ended; what is kept for later calls does not grow with each of them",
			noGoroutineIsLeftBehind,
		},
	}
}

func noCallIsLeftLive(tr *trial) {
	if tr.Live == nil {
		tr.Skip("the carrier cannot tell how many calls are live")
	}
	tr.every()
	tr.noneLive()
}

// noGoroutineIsLeftBehind compares two equal loads. A dialer may keep connections and workers
// that serve any call: those are there after the first load. What a call leaves behind
// is there once more for each call of the second.
func noGoroutineIsLeftBehind(tr *trial) {
	const calls = 16 // of each kind
	tr.load(calls)
	before := goroutines()
	tr.load(calls)
	var grown []string
	tr.waitUntil("the goroutines of calls that are over have ended", func() bool {
		grown = grownBy(calls, before, goroutines())
		return len(grown) == 0
	})
	for _, stack := range grown {
		tr.Errorf("%d or more goroutines like this one are left behind by %d calls of each kind:\n%s", calls, calls, stack)
	}
}

func (tr *trial) load(times int) {
	tr.Helper()
	ends := endings()
	calls := make([]*watched, 0, times*len(ends))
	for range times {
		for _, e := range ends {
			calls = append(calls, e.begin(tr))
		}
	}
	for i, w := range calls {
		if until := ends[i%len(ends)].until; until != 0 {
			w.wait(until).cancel(nil)
		}
	}
	for _, w := range calls {
		w.over()
	}
}

// crowd is the goroutines that do the same thing.
type crowd struct {
	size  int
	stack string // of one of them
}

// grownBy returns one stack of each crowd that has grown by so many.
func grownBy(n int, before, now map[string]crowd) []string {
	var grown []string
	for site, c := range now {
		if c.size-before[site].size >= n {
			grown = append(grown, c.stack)
		}
	}
	return grown
}

// goroutines counts them by where they were created and what they run. In a bubble
// it sees those of the bubble only, elsewhere all: other tests that start many should not
// run in parallel to this one.
func goroutines() map[string]crowd {
	all := strings.Split(allStacks(), "\n\n")
	bubble := bubbleOf(all[0]) // the first is the goroutine that asks
	crowds := map[string]crowd{}
	for _, stack := range all[1:] {
		if bubbleOf(stack) != bubble {
			continue
		}
		c := crowds[siteOf(stack)]
		crowds[siteOf(stack)] = crowd{c.size + 1, stack}
	}
	return crowds
}

// bubbleOf reads the first line: "goroutine 7 [select, synctest bubble 3]:".
func bubbleOf(stack string) string {
	header, _, _ := strings.Cut(stack, "\n")
	_, bubble, _ := strings.Cut(header, "synctest bubble ")
	return strings.TrimRight(bubble, "]:")
}

// siteOf is the function that the goroutine began with and the one that created it: the
// last two functions of the stack, without arguments and numbers that differ.
func siteOf(stack string) string {
	var functions []string
	for line := range strings.Lines(stack) {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "goroutine ") {
			continue
		}
		functions = append(functions, bare(line))
	}
	const last = 2
	return fmt.Sprint(functions[max(0, len(functions)-last):])
}

func bare(line string) string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), " in goroutine ")
	if i := strings.LastIndexByte(line, '('); i > 0 && strings.HasSuffix(line, ")") {
		line = line[:i]
	}
	return line
}
