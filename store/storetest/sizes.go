package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func sizeRules() []rule {
	return []rule{
		{"OddTextIsKept", oddTextIsKept},
		{"MetadataIsKeptByteForByte", metadataIsKeptByteForByte},
		{"LargestMetadataIsKept", largestMetadataIsKept},
		{"LongestKeysAreKept", longestKeysAreKept},
		{"TimesAreKeptToTheMicrosecond", timesAreKeptToTheMicrosecond},
		{"LargestBatchIsDialled", largestBatchIsDialled},
		{"ManyBatchesInOneStep", manyBatchesInOneStep},
	}
}

// oddTexts are valid UTF-8, all of them, but not what a database expects: PostgreSQL has
// no NUL in text, comparisons may fold case and accents, trim blanks or normalise.
func oddTexts() []string {
	return []string{
		"a\x00b", "\x00", "'; DROP TABLE batches; --", `%_\`, "trailing  ", "tab\tand\r\nline",
		"\uFFFD", "\uFFFE\uFFFF", "\U0010FFFF", "e\u0301 \u00e9", "\u202eright to left", "👩‍👩‍👧", "ß SS", "\ufeffmark",
	}
}

func oddTextIsKept(f *fixture) {
	node := f.node()
	for i, odd := range oddTexts() {
		b := f.batch(1, func(b *store.Batch) {
			b.Name, b.AgentID, b.NumberID, b.Region, b.Fingerprint, b.Key = odd, odd, odd, odd, odd, odd
		})
		f.change(b, retryUnder(odd))
		got := f.again(b)
		f.equal("texts", []string{got.Name, got.AgentID, got.NumberID, got.Region, got.Fingerprint, got.Key, got.RetryKey},
			[]string{odd, odd, odd, odd, odd, odd, odd})
		f.equal("batches of the agent", batchIDs(f.batches(store.BatchQuery{AgentID: odd})), []string{b.ID})
		f.equal("batch under the key", f.batch(1, func(b *store.Batch) { b.Key = odd }).ID, b.ID)
		call := f.claim(node, b, 1)[0]
		e := event(call, fsm.Failed)
		e.Ref, e.Error, e.Details, e.Unplaced = odd, odd, map[string]string{odd: odd}, true
		f.happen(node, e)
		c := f.call(call)
		f.equal("texts of the call", []string{c.Ref, c.Error, c.Details[odd]}, []string{odd, odd, odd})
		f.equal("error of the recipient", f.recipient(b, 0).Error, odd)
		f.equal("calls of the agent", callIDs(f.calls(store.CallQuery{AgentID: odd})), []string{call.ID})
		f.equal("batches", len(f.batches(store.BatchQuery{})), i+1)
	}
}

func metadataIsKeptByteForByte(f *fixture) {
	given := people(0)
	for _, m := range []string{
		`{}`, `{"n":12345678901234567890,"f":1.10,"e":1E+2}`, `{"z":1,"a":2,"z ":3}`, `{"twice":1,"twice":2}`,
		`{"u":"\ud800","nul":"\u0000","esc":"\/\u00e9é"}`, "{ \"blank\" :\t[ ] }\n", `{"html":"<&>"}`,
		`{"deep":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
	} {
		given = append(given, store.NewRecipient{To: from, Metadata: json.RawMessage(m)})
	}
	given = append(given, store.NewRecipient{To: from})
	b, err := f.CreateBatch(f.ctx, f.draft(), given)
	f.ok(err)
	node := f.node()
	claimed := f.claimWithin(node, many, len(given), b).Claimed
	adopted := f.adopt(f.successor(node), many)
	for i, r := range f.recipients(b) {
		f.equal("metadata read", r.Metadata, given[i].Metadata)
		f.equal("metadata claimed", claimed[i].Metadata, given[i].Metadata)
		f.equal("metadata adopted", adopted[i].Metadata, given[i].Metadata)
	}
}

func largestMetadataIsKept(f *fixture) {
	given := people(2)
	filler := bytes.Repeat([]byte("x"), store.MaxMetadata-len(`{"x":""}`))
	given[1].Metadata = fmt.Appendf(nil, `{"x":"%s"}`, filler)
	b, err := f.CreateBatch(f.ctx, f.draft(), given)
	f.ok(err)
	got := f.claimWithin(f.node(), many, 2, b).Claimed[1].Metadata
	f.equal("length", len(got), store.MaxMetadata)
	f.equal("metadata", bytes.Equal(got, given[1].Metadata), true)
}

func longestKeysAreKept(f *fixture) {
	long := strings.Repeat("é", store.MaxKey/2) + "x"
	b := f.batch(1, of(long), func(b *store.Batch) { b.AgentID, b.Key = long, long })
	f.equal("batch", f.again(b), b)
	f.equal("the same request", f.batch(1, of(long), func(b *store.Batch) { b.Key = long }), b)
	f.equal("key of a retry", f.change(b, retryUnder(long)).RetryKey, long)
	f.equal("key of a retry, read again", f.again(b).RetryKey, long)
	almost := long[:len(long)-1] + "y"
	f.equal("one under another key", f.batch(1, of(long), func(b *store.Batch) { b.Key = almost }).ID == b.ID, false)
}

func timesAreKeptToTheMicrosecond(f *fixture) {
	for _, at := range []time.Time{
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2026, 3, 29, 1, 30, 0, 1_000, time.UTC),
		time.Date(2106, 2, 7, 6, 28, 16, 123_456_000, time.UTC),
		time.Date(2262, 4, 12, 0, 0, 0, 1_000, time.UTC), // past what nanoseconds in 64 bits reach
	} {
		b := f.batch(1, func(b *store.Batch) { b.CreatedAt, b.UpdatedAt, b.ScheduledAt, b.KeyUntil = at, at, at, at })
		f.equal("batch", f.again(b), b)
		f.equal("CreatedAt", b.CreatedAt, at)
		f.equal("ScheduledAt", b.ScheduledAt, at)
		f.equal("KeyUntil", b.KeyUntil, at)
		f.equal("of the recipient", f.recipient(b, 0).CreatedAt, at)
	}
}

func largestBatchIsDialled(f *fixture) {
	node, b := f.node(), f.batch(store.MaxRecipients)
	f.equal("recipients", len(f.recipients(b)), store.MaxRecipients)
	calls := f.claim(node, b, 1000)
	for len(calls) > 0 {
		events := make([]store.Event, len(calls))
		for i, c := range calls {
			events[i] = f.completed(c)
		}
		got := f.advance(store.Step{Owner: node, Events: events, Claims: []store.Claim{f.claimOf(b, 1000)}})
		f.equal("lost", len(got.Lost), 0)
		calls = callsOf(got)
	}
	f.equal("counts", f.again(b).Counts, fsm.Counts{Completed: store.MaxRecipients})
	last := f.calls(store.CallQuery{Limit: 1})
	f.equal("the last call", last[0].Index, store.MaxRecipients-1)
}

func manyBatchesInOneStep(f *fixture) {
	node := f.node()
	var batches []store.Batch
	for range 40 {
		batches = append(batches, f.batch(2))
	}
	got := f.claimWithin(node, many, 1, batches...)
	f.equal("claimed", len(got.Claimed), 40)
	f.equal("batches of the step", len(got.Batches), 40)
	var events []store.Event
	for _, c := range slices.Backward(got.Claimed) {
		events = append(events, f.completed(c.Call))
	}
	f.equal("in flight", f.happen(node, events...).InFlight, 0)
}
