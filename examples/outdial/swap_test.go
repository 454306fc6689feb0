package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSwappingTheCarrier runs one command over one file of recipients, with one agent, and
// configurations that differ in one line: what becomes of everybody is the same each time.
func TestSwappingTheCarrier(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	a := newStudio(t)
	address := freeAddress(t)
	file := w.callees("people.csv", 3, agentEnds, calleeEnds, isBusy, noAnswer, fails)
	var outcomes []outcome
	var lines []string
	seen := map[string]map[string]map[string]string{}
	// The callee talks long enough for the audio of a call to come on a busy machine.
	for _, c := range carriersToSwap(t, w, address, 2*time.Second) {
		a.forget()
		config := w.write(c.name()+".yaml", swapConfig(a.url(), c.url()))
		doc, r := w.jsonWith("run", file, "--config", config, "--db", w.path(c.name()+".db"), "--listen", address,
			"--ring-timeout", "5s", "--target", "15")
		require.Zero(t, r.code, "%s: %s%s", c.name(), r.out, r.errOut)
		got := outcomesOf(doc)
		if outcomes == nil {
			outcomes = got
			require.Equal(t, []outcome{
				{"completed", "agent_hangup", 3}, {"completed", "client_hangup", 3},
				{"failed", "dial_busy", 3}, {"failed", "dial_failed", 3}, {"failed", "dial_no_answer", 3},
			}, sortedOutcomes(got))
		}
		require.Equal(t, outcomes, got, c.name())
		rings := c.placed()
		require.Len(t, rings, 15, c.name())
		for number, times := range rings {
			require.Equal(t, 1, times, "%s: %s", c.name(), number)
		}
		seen[c.name()] = a.calls()
		lines = append(lines, config)
	}
	requireOneLine(t, lines)
	require.Len(t, seen["sip"], 6, "the agent has each call that was answered")
	require.Equal(t, seen["sip"], seen["twilio"], "the agent cannot tell the carriers apart")
}

// requireOneLine says that the files are the same but for the carrier's line.
func requireOneLine(t *testing.T, files []string) {
	t.Helper()
	var without []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var rest []string
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "carriers:") {
				rest = append(rest, line)
			}
		}
		without = append(without, strings.Join(rest, ""))
	}
	for _, one := range without {
		require.Equal(t, without[0], one)
	}
}

// TestSwappingTheCarrierOfARunningBatch sends SIGHUP to the real program, twice in one batch: what is in
// progress ends where it began, and what begins later is over the new carrier.
func TestSwappingTheCarrierOfARunningBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	a := newStudio(t)
	address := freeAddress(t)
	carriers := carriersToSwap(t, w, address, 2*time.Second) // which is how long the calls last
	w.write("config.yaml", swapConfig(a.url(), carriers[0].url()))
	c := w.child("--listen", address)
	c.ready()
	file := w.callees("people.csv", 40, calleeEnds)
	batch := c.createFrom(file)
	for i := 1; i < len(carriers); i++ {
		before, now := carriers[i-1], carriers[i]
		c.eventually(func() bool { return before.live() >= 6 })
		c.edit(before.url(), now.url())
		require.Contains(t, c.reload(), `changed="carriers replaced: trunk"`)
	}
	c.over(batch)
	require.Equal(t, 40, c.counts(batch)["completed"])
	c.terminate()
	rung := map[string]int{}
	for _, carrier := range carriers {
		placed := carrier.placed()
		t.Logf("%s: %d calls", carrier.name(), len(placed))
		require.GreaterOrEqual(t, len(placed), 6, carrier.name())
		require.Zero(t, carrier.live(), "%s has calls left", carrier.name())
		for number, times := range placed {
			rung[number] += times
		}
	}
	require.Len(t, rung, 40)
	for number, times := range rung {
		require.Equal(t, 1, times, "%s was rung more than once", number)
	}
	doc, _ := w.json("export", batch)
	for _, r := range doc["recipients"].([]any) {
		recipient := r.(map[string]any)
		require.Equal(t, "client_hangup", recipient["end_reason"], "no call was cut off: %v", recipient)
		require.EqualValues(t, 1, recipient["attempts"])
	}
}

// swapConfig is one in which everything about the carrier is in one line.
func swapConfig(agent, carrier string) string {
	return fmt.Sprintf(`
organisations: {demo: {concurrency_limit: 20, region: EU, api_keys: ["%s"]}}
agents: {greeter: {url: "%s"}}
guard: {allow: [GB]}
carriers: {trunk: "%s"}
numbers: {london: {e164: "+442079460999", carriers: [trunk], any_region: true}}
`, hashOf(testKey), agent, carrier)
}

// outcome is a line of the table.
type outcome struct {
	status, reason string
	count          int
}

func outcomesOf(doc map[string]any) []outcome {
	var all []outcome
	for _, one := range doc["outcomes"].([]any) {
		o := one.(map[string]any)
		reason, _ := o["end_reason"].(string)
		all = append(all, outcome{o["status"].(string), reason, int(o["count"].(float64))})
	}
	return all
}
