package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// TestWhatOneCarrierLeftToTheNextIsShown has a number whose first carrier refuses everything.
func TestWhatOneCarrierLeftToTheNextIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	w.write("config.yaml", `
organisations: {demo: {concurrency_limit: 8}}
agents: {greeter: {}}
carriers: {sulky: "fake://sulky?refused=1", willing: "fake://willing?answer=1&ring=0&talk=0&books=`+w.path("books.jsonl")+`"}
numbers: {london: {e164: "+442079460000", carriers: [sulky, willing]}}
`)
	r := w.run("run", w.recipients("people.csv", 5))
	require.Zero(t, r.code, r.errOut)
	require.Equal(t, 5, w.books().Placed(fake.Scope{}))
	for _, out := range []string{r.out, w.run("show", "last").out} {
		_, told, found := strings.Cut(out, "Left by one carrier to the next, before any phone rang:\n")
		require.True(t, found, out)
		require.Regexp(t, `^  sulky +5 +\S.*\n`, told)
	}
	doc, _ := w.json("show", "last")
	require.Len(t, doc["refusals"], 1)
	refusal := doc["refusals"].([]any)[0].(map[string]any)
	require.Equal(t, "sulky", refusal["carrier"])
	require.InDelta(t, 5, refusal["count"], 0)
	require.NotEmpty(t, refusal["error"])

	doc, _ = w.json("export", "last")
	require.Len(t, doc["recipients"], 5)
	for _, one := range doc["recipients"].([]any) {
		recipient := one.(map[string]any)
		require.Equal(t, "willing", recipient["carrier"])
		tries := recipient["tries"].([]any)
		require.Len(t, tries, 1)
		require.Equal(t, "sulky", tries[0].(map[string]any)["carrier"])
		require.NotEmpty(t, tries[0].(map[string]any)["at"])
		require.Equal(t, refusal["error"], tries[0].(map[string]any)["error"])
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	a, b := store.Try{Carrier: "a", Error: "503"}, store.Try{Carrier: "b", Error: "full"}
	require.Equal(t, []refusalJSON{{"b", "full", 3}, {"a", "403", 1}, {"a", "503", 1}},
		refusalsOf([]store.Call{{Tries: []store.Try{a, b}}, {Tries: []store.Try{b}}, {}, {Tries: []store.Try{{Carrier: "a", Error: "403"}, b}}}))
	require.Nil(t, refusalsOf([]store.Call{{}}))
	many := make([]refusalJSON, 14)
	var out strings.Builder
	printRefusals(&out, many)
	require.Contains(t, out.String(), "and 4 more reasons")
	out.Reset()
	printRefusals(&out, []refusalJSON{{"\x1b[2J", "x\x07", 1}})
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\x07")
}
