package fake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func events(books fake.Books) []fake.Event {
	all := make([]fake.Event, len(books.Entries))
	for i, e := range books.Entries {
		all[i] = e.Event
	}
	return all
}

func TestBooksTellWhatHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true, Trunk: "trunk-eu"})
		c.Script(ada, fake.Behaviour{Ring: time.Second, Talk: time.Minute})
		begun := time.Now()
		_ = dial(t.Context(), c.Dialer(), callTo(ada))
		books := c.Books()
		require.Equal(t, []fake.Event{fake.Placed, fake.Rang, fake.Ended}, events(books))
		ended := books.Entries[2]
		require.NotZero(t, ended.PID)
		ended.PID = 0
		require.Equal(t, fake.Entry{
			Event: fake.Ended, At: begun.Add(61 * time.Second), Reason: dialer.ClientHangup,
			Call: "call-" + string(ada[5:]), Org: "org", Batch: "batch", Recipient: "recipient", Attempt: 1, From: from,
			Trunk: "trunk-eu",
		}, ended)
	})
}

func TestBooksAreKeptOnRequestOnly(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	_ = dial(t.Context(), c.Dialer(), callTo(ada))
	require.Empty(t, c.Books().Entries)
}

func TestBooksAreASnapshot(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true, Shares: fake.Shares{Answer: 1}})
	_ = dial(t.Context(), c.Dialer(), callTo(ada))
	before := c.Books()
	_ = dial(t.Context(), c.Dialer(), callTo(ada))
	require.Len(t, before.Entries, 3)
	require.Len(t, c.Books().Entries, 6)
}

func TestDoubleRings(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true})
	busy := numberOf(1)
	c.Script(ada, fake.Behaviour{})
	c.Script(busy, fake.Behaviour{End: dialer.DialBusy})
	second := callTo(ada)
	second.Attempt = 2
	for _, call := range []dialer.Call{callTo(ada), second} {
		_ = dial(t.Context(), c.Dialer(), call)
	}
	require.Empty(t, c.Books().DoubleRings(), "another attempt may ring")
	require.Empty(t, c.Books().DoublePlaced())

	again := callTo(busy)
	again.Recipient = "busy"
	for range 3 {
		_ = dial(t.Context(), c.Dialer(), again)
	}
	require.Empty(t, c.Books().DoubleRings(), "a phone that is busy does not ring")
	require.Equal(t, []fake.Attempt{{Org: "org", Batch: "batch", Recipient: "busy", Number: 1}}, c.Books().DoublePlaced())

	_ = dial(t.Context(), c.Dialer(), second)
	require.Equal(t, []fake.Attempt{{Org: "org", Batch: "batch", Recipient: "recipient", Number: 2}}, c.Books().DoubleRings())
	require.Equal(t, 3, c.Books().Rings(fake.Scope{Recipient: "recipient"}))
	require.Equal(t, 2, c.Books().Rings(fake.Scope{Recipient: "recipient", Attempt: 2}))
	require.Equal(t, 3, c.Books().Dials(fake.Scope{Recipient: "busy"}))
}

func TestMostAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true})
		d := c.Dialer()
		ctx, cancel := context.WithCancel(t.Context())
		const calls = 12
		results := make([]<-chan dialled, 0, calls)
		for i := range calls {
			to := numberOf(i)
			c.Script(to, fake.Behaviour{Talk: fake.Forever})
			call := callTo(to)
			call.Org, call.Batch = []string{"one", "two"}[i%2], []string{"a", "b", "c"}[i%3]
			if i < 5 {
				call.From = "+14155550100"
			}
			results = append(results, background(ctx, d, call))
		}
		synctest.Wait()
		require.Equal(t, 12, c.Books().Live(fake.Scope{}))
		require.Equal(t, 4, c.Books().Live(fake.Scope{Batch: "a"}))
		cancel()
		for _, r := range results {
			<-r
		}
		_ = dial(t.Context(), d, callTo("+14155550199"))

		books := c.Books()
		require.Zero(t, books.Live(fake.Scope{}))
		require.Equal(t, 12, books.MostAtOnce(fake.Scope{}))
		require.Equal(t, 6, books.MostAtOnce(fake.Scope{Org: "one"}))
		require.Equal(t, 4, books.MostAtOnce(fake.Scope{Batch: "b"}))
		require.Equal(t, 2, books.MostAtOnce(fake.Scope{Org: "two", Batch: "c"}))
		require.Equal(t, 5, books.MostAtOnce(fake.Scope{From: "+14155550100"}))
		require.Equal(t, 1, books.MostAtOnce(fake.Scope{Org: "org"}))
		require.Zero(t, books.MostAtOnce(fake.Scope{Trunk: "trunk-eu"}))
	})
}

func TestPlacedAfter(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true, Shares: fake.Shares{Answer: 1}})
	_ = dial(t.Context(), c.Dialer(), callTo(numberOf(1)))
	c.Mark("cancelled")
	require.True(t, c.Books().HasMark("cancelled"))
	require.False(t, c.Books().HasMark("paused"))
	require.Empty(t, c.Books().PlacedAfter("cancelled", fake.Scope{}))
	_ = dial(t.Context(), c.Dialer(), callTo(numberOf(2)))
	c.Mark("cancelled")

	after := c.Books().PlacedAfter("cancelled", fake.Scope{Batch: "batch"})
	require.Len(t, after, 1)
	require.Equal(t, callTo(numberOf(2)).ID, after[0].Call)
	require.Empty(t, c.Books().PlacedAfter("cancelled", fake.Scope{Batch: "other"}))
	require.Empty(t, c.Books().PlacedAfter("paused", fake.Scope{}))
}

func TestObserveIsToldInOrder(t *testing.T) {
	t.Parallel()
	var seen []fake.Event
	c := newCarrier(t, fake.Config{
		Shares:  fake.Shares{Answer: 1},
		Observe: func(e fake.Entry) { seen = append(seen, e.Event) },
	})
	_ = dial(t.Context(), c.Dialer(), callTo(ada))
	require.Equal(t, []fake.Event{fake.Placed, fake.Rang, fake.Ended}, seen)
}

func TestWithoutProcessEndsItsCalls(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	books := fake.Books{Entries: []fake.Entry{
		{Event: fake.Placed, Call: "a", PID: 1, At: at(1)},
		{Event: fake.Placed, Call: "b", PID: 1, At: at(2)},
		{Event: fake.Ended, Call: "a", PID: 1, At: at(3)},
		{Event: fake.Placed, Call: "c", PID: 2, At: at(4)},
		{Event: fake.Placed, Call: "d", PID: 2, At: at(6)},
	}}
	require.Equal(t, 3, books.MostAtOnce(fake.Scope{}))
	rest := books.WithoutProcess(1, at(5))
	require.Equal(t, 2, rest.MostAtOnce(fake.Scope{}))
	require.Equal(t, 2, rest.Live(fake.Scope{}))
	require.Equal(t, fake.Entry{
		Event: fake.Ended, Call: "b", PID: 1, At: at(5), Reason: dialer.ClientDisconnected,
	}, rest.Entries[4])
	require.Len(t, books.Entries, 5, "the books themselves are as they were")
}
