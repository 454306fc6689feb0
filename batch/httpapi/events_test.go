package httpapi

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

const eventsOfAll = "/agents/calls/events"

func eventsOf(id string) string { return "/agents/calls/batches/" + id + "/events" }

// heard is what a listener knows: ids in their order, and the last state of everything.
type heard struct {
	ids    []int64
	states map[string]shownEvent
}

func (h *heard) note(tb testing.TB, e event) {
	tb.Helper()
	id, err := strconv.ParseInt(e.id, 10, 64)
	require.NoError(tb, err)
	if len(h.ids) > 0 {
		require.Greater(tb, id, h.ids[len(h.ids)-1], "no event comes twice, nor out of order")
	}
	h.ids = append(h.ids, id)
	if h.states == nil {
		h.states = map[string]shownEvent{}
	}
	h.states[e.data.ID] = e.data
}

func TestEventsFromTheBeginningToTheEnd(t *testing.T) {
	b := newBroadcast(t, nil, 10, fake.Config{Shares: fake.Shares{Answer: 1}, Talk: time.Millisecond})
	made := b.create("acme", 30)
	b.create("globex", 3)
	l := b.listen("acme", eventsOf(made.ID))
	var h heard
	for range 31 {
		e, ok := l.next()
		require.True(t, ok)
		h.note(t, e)
	}
	require.Len(t, h.states, 31, "the present state first")
	b.dial()
	for h.states[made.ID].Counts["completed"] < 30 {
		e, ok := l.next()
		require.True(t, ok)
		h.note(t, e)
		require.Equal(t, map[bool]string{true: "batch", false: "recipient"}[e.data.ID == made.ID], e.kind)
		require.Nil(t, e.data.Metadata)
		require.Nil(t, e.data.Waiting)
		if e.kind == "batch" {
			require.Equal(t, e.id, e.data.Cursor)
			continue
		}
		require.Equal(t, made.ID, e.data.BatchID)
	}
	for id, s := range h.states {
		require.Equal(t, "completed", s.Status, id)
	}
	require.Len(t, h.states, 31)
}

// A listener whose connection breaks again and again comes back with the last id, and has in
// the end heard all there was, each thing once.
func TestEventsResumeWithoutLossOrRepeat(t *testing.T) {
	for _, path := range []string{"", "one"} {
		b := newBroadcast(t, nil, 20, fake.Config{Shares: fake.Shares{Answer: 1}, Talk: 20 * time.Millisecond})
		made := b.create("acme", 200)
		at := eventsOfAll
		if path != "" {
			at = eventsOf(made.ID)
		}
		b.dial()
		random := rand.New(rand.NewPCG(1, 2))
		var h heard
		cuts := 0
		for h.states[made.ID].Counts["completed"] < 200 {
			var l *listener
			if len(h.ids) == 0 {
				l = b.listen("acme", at)
			} else {
				l = b.listen("acme", at, "Last-Event-ID", strconv.FormatInt(h.ids[len(h.ids)-1], 10))
			}
			for range random.IntN(40) {
				e, ok := l.next()
				require.True(t, ok)
				h.note(t, e)
				if h.states[made.ID].Counts["completed"] == 200 {
					break
				}
			}
			l.close()
			cuts++
		}
		require.Greater(t, cuts, 5)
		require.Len(t, h.states, 201)
		for id, s := range h.states {
			require.Equal(t, "completed", s.Status, id)
		}
	}
}

func TestEventsOfAnOrganisationAreItsOwn(t *testing.T) {
	b := newBroadcast(t, nil, 10, fake.Config{Shares: fake.Shares{Answer: 1}})
	one, two := b.create("acme", 2), b.create("acme", 2)
	other := b.create("globex", 5)
	l := b.listen("acme", eventsOfAll)
	var h heard
	for range 6 {
		e, _ := l.next()
		h.note(t, e)
	}
	require.Contains(t, h.states, one.ID)
	require.Contains(t, h.states, two.ID)
	require.NotContains(t, h.states, other.ID)
}

func TestACursorThatCannotBeGoneOnFrom(t *testing.T) {
	b := newBroadcast(t, nil, 10, fake.Config{})
	made := b.create("acme", 3)
	b.create("globex", 3000)
	last := strconv.FormatInt(made.Rev, 10)
	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"the last":              {eventsOfAll + "?after=" + last, nil, 200},
		"zero":                  {eventsOfAll + "?after=0", nil, 200},
		"header before the URL": {eventsOfAll + "?after=9999", []string{"Last-Event-ID", last}, 200},
		"ahead":                 {eventsOfAll + "?after=" + last + "0", nil, 400},
		"ahead, of a batch":     {eventsOf(made.ID), []string{"Last-Event-ID", "2000"}, 400},
		"negative":              {eventsOfAll + "?after=-1", nil, 400},
		"signed":                {eventsOfAll + "?after=%2B1", nil, 400},
		"padded":                {eventsOfAll + "?after=01", nil, 400},
		"empty":                 {eventsOfAll + "?after=", nil, 400},
		"a word":                {eventsOfAll, []string{"Last-Event-ID", "now"}, 400},
		"huge":                  {eventsOfAll + "?after=99999999999999999999", nil, 400},
		"twice":                 {eventsOfAll + "?after=1&after=1", nil, 400},
		"header twice":          {eventsOfAll, []string{"Last-Event-ID", "1", "Last-Event-ID", "1"}, 400},
		"unknown batch":         {eventsOf("acb_1"), nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := http.DefaultTransport.RoundTrip(b.request("acme", c.path, c.headers...))
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, c.status, resp.StatusCode)
		})
	}
	resp, err := http.DefaultTransport.RoundTrip(b.request("globex", eventsOf(made.ID)))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode, "another organisation's batch is as unknown as none")
}

func TestAQuietListenerHearsAHeartbeat(t *testing.T) {
	b := newBroadcast(t, nil, 10, fake.Config{}, func(c *Config) { c.Heartbeat = 10 * time.Millisecond })
	made := b.create("acme", 1)
	l := b.listen("acme", eventsOf(made.ID)+"?after="+strconv.FormatInt(made.Rev, 10))
	var text strings.Builder
	for strings.Count(text.String(), ": keep-alive\n\n") < 5 {
		line, err := l.body.ReadString('\n')
		require.NoError(t, err)
		text.WriteString(line)
	}
	require.NotContains(t, text.String(), "event")
	l.close()
	keepsComing(t, "the listener is forgotten", func() bool { return b.listening(topic{"acme", made.ID}) == 0 })
}

func TestHeadOfEventsEnds(t *testing.T) {
	b := newBroadcast(t, nil, 10, fake.Config{})
	r := b.request("acme", eventsOfAll)
	r.Method = http.MethodHead
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Empty(t, body)
}

// One that stops reading is cut off, while those who read hear everything.
func TestAListenerThatStopsReadingIsCutOff(t *testing.T) {
	b := newBroadcast(t, nil, 100, fake.Config{Shares: fake.Shares{Answer: 1}}, func(c *Config) {
		c.WriteTimeout = 300 * time.Millisecond
	})
	deaf := 0
	for range 20 {
		made := b.create("acme", 5000)
		if deaf == 0 {
			b.deaf("acme", eventsOfAll)
			deaf++
		}
		_ = made
	}
	keepsComing(t, "it is cut off", func() bool { return b.listening(topic{org: "acme"}) == 0 })
	l := b.listen("acme", eventsOfAll)
	for range 1000 {
		_, ok := l.next()
		require.True(t, ok)
	}
}

func TestManyListenersHearTheSameAndCostOneReader(t *testing.T) {
	const listeners, recipients = 100, 300
	b := newBroadcast(t, nil, 50, fake.Config{Shares: fake.Shares{Answer: 1}, Talk: 20 * time.Millisecond})
	reads := b.readsOf()
	made := b.create("acme", recipients)
	heard := make(chan int, listeners)
	for range listeners {
		l := b.listen("acme", eventsOf(made.ID))
		go func() {
			of := map[string]bool{}
			for e, ok := l.next(); ok; e, ok = l.next() {
				if of[e.data.ID] = true; e.data.Counts["completed"] == recipients {
					break
				}
			}
			heard <- len(of)
		}()
	}
	b.dial()
	for range listeners {
		require.Equal(t, recipients+1, <-heard)
	}
	one := reads.Load()
	require.Less(t, one, int64(listeners), "it is read once for all of them")
}
