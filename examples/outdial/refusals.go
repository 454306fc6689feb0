package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// tryJSON is a carrier that did not place a call, so that another one was given it.
type tryJSON struct {
	Carrier string    `json:"carrier"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
}

func triesOf(tries []store.Try) []tryJSON {
	var list []tryJSON
	for _, t := range tries {
		list = append(list, tryJSON{Carrier: t.Carrier, At: t.At.UTC(), Error: t.Error})
	}
	return list
}

// refusalJSON counts calls that a carrier did not place, for one reason, and that another one was given.
type refusalJSON struct {
	Carrier string `json:"carrier"`
	Error   string `json:"error"`
	Count   int    `json:"count"`
}

// refusalsOf counts the tries of all calls. The most frequent stand first.
func refusalsOf(calls []store.Call) []refusalJSON {
	counts := map[refusalJSON]int{}
	for _, c := range calls {
		for _, t := range c.Tries {
			counts[refusalJSON{Carrier: t.Carrier, Error: t.Error}]++
		}
	}
	var list []refusalJSON
	for _, r := range slices.SortedFunc(maps.Keys(counts), func(a, b refusalJSON) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Error, b.Error))
	}) {
		r.Count = counts[r]
		list = append(list, r)
	}
	return list
}

// printRefusals says which carriers left calls to the next one, and why.
func printRefusals(w io.Writer, refusals []refusalJSON) {
	const shown = 10
	if len(refusals) == 0 {
		return
	}
	fmt.Fprint(w, "\nLeft by one carrier to the next, before any phone rang:\n")
	for i, r := range refusals {
		if i == shown {
			fmt.Fprintf(w, "  and %d more reasons\n", len(refusals)-shown)
			return
		}
		printRow(w, printable(r.Carrier), thousands(r.Count), "", printable(r.Error))
	}
}
