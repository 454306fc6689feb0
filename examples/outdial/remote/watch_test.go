package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
)

func TestEventsAreRead(t *testing.T) {
	for text, want := range map[string][]event{
		"":                                     nil,
		"data: x":                              nil, // it was cut off
		"data: x\n":                            nil,
		"data: x\n\n":                          {{data: "x"}},
		"\ufeffdata:x\n\n":                     {{data: "x"}},
		"id: 1\nevent: e\ndata: x\n\n":         {{id: "1", name: "e", data: "x"}},
		"id: 1\r\nevent: e\r\ndata: x\r\n\r\n": {{id: "1", name: "e", data: "x"}},
		"id: 1\revent: e\rdata: x\r\rdata: y\r\r": {{id: "1", name: "e", data: "x"}, {id: "1", data: "y"}},
		"data: x\ndata:  y\n\n":                   {{data: "x\n y"}},
		": comment\n\ndata\n\n":                   {{}, {}},
		"retry: 1000\n\n":                         {{retry: time.Second}},
		"retry: 99999999\n\nretry: x\n\n":         {{retry: mostDelay}, {}},
		"id: 1\n\nid\ndata: x\n\n":                {{id: "1"}, {data: "x"}},
		"id: a\x00b\ndata: x\n\nother: y\n\n":     {{data: "x"}, {}},
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			var got []event
			require.NoError(t, readEvents(r, func(e event) error { got = append(got, e); return nil }))
			require.Equal(t, want, got, "%q", text)
		}
	}
	require.Error(t, readEvents(strings.NewReader("data: "+strings.Repeat("x", mostLine)), nil))
	require.ErrorIs(t, readEvents(strings.NewReader("\n"), func(event) error { return errLeft }), errLeft)
}

// stream answers with events and ends, or stays open.
func stream(text string, stay bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
		w.(http.Flusher).Flush()
		if stay {
			<-r.Context().Done()
		}
	}
}

func recipientEvent(id, index int) string {
	return fmt.Sprintf("id: %d\nevent: recipient\ndata: %s\n\n", id,
		strings.ReplaceAll(recipientJSON(index, `"status": "queued"`), "\n", " "))
}

func batchEvent(id int) string {
	return fmt.Sprintf("id: %d\nevent: batch\ndata: %s\n\n", id, strings.ReplaceAll(aBatch, "\n", " "))
}

// watched collects what is yielded until a batch is.
func watched(ctx context.Context, c *Client) (seen []int, errs []error) {
	for change, err := range c.Watch(ctx, batchID) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case change.Recipient != nil:
			seen = append(seen, change.Recipient.Index)
		default:
			return seen, errs
		}
	}
	return seen, errs
}

func TestWatchComesBackToWhereItWas(t *testing.T) {
	s := newScript(t, Config{},
		stream("retry: 1\n\n: keep-alive\n\n"+recipientEvent(1, 0)+recipientEvent(2, 1)+"id: 3\nevent: recip", false),
		hangUp,
		say(http.StatusServiceUnavailable, ""),
		stream("id: 9\nevent: later\ndata: {}\n\n"+recipientEvent(10, 2)+batchEvent(11), true),
	)
	seen, errs := watched(t.Context(), s.client)
	require.Equal(t, []int{0, 1, 2}, seen)
	require.ErrorIs(t, errs[0], errEnded)
	require.ErrorContains(t, errs[len(errs)-1], "503")
	require.Equal(t, "/agents/calls/batches/"+batchID+"/events", s.seen()[0].URL.Path)
	require.Empty(t, s.seen()[0].Header.Values("Last-Event-ID"))
	for _, r := range s.seen()[1:] {
		require.Equal(t, "2", r.Header.Get("Last-Event-ID"))
	}
}

func TestWatchBeginsAnewWhereItsCursorIsUnknown(t *testing.T) {
	s := newScript(t, Config{}, stream("retry: 1\n\n"+recipientEvent(7, 0), false),
		say(http.StatusBadRequest, `{"error_code": "invalid_request", "errors": [{"path": "Last-Event-ID", "message": "expected the id of an event"}]}`),
		stream(recipientEvent(1, 0)+batchEvent(2), true))
	seen, errs := watched(t.Context(), s.client)
	require.Equal(t, []int{0, 0}, seen)
	require.Len(t, errs, 1)
	require.Empty(t, s.seen()[2].Header.Values("Last-Event-ID"))
}

func TestWatchKeepsItsPlaceWhereSomethingElseIsWrong(t *testing.T) {
	for _, answer := range []string{
		`{"error_code": "invalid_version"}`, `<html>`,
		`{"error_code": "invalid_request", "errors": [{"path": "batch_id", "message": "expected an id"}]}`,
	} {
		s := newScript(t, Config{}, stream("retry: 1\n\n"+recipientEvent(7, 0), false), say(http.StatusBadRequest, answer), stream(batchEvent(9), true))
		seen, errs := watched(t.Context(), s.client)
		require.Equal(t, []int{0}, seen)
		require.Len(t, errs, 2)
		require.Len(t, s.seen(), 2, "it is a refusal")
	}
}

// Of a batch that is scheduled for tomorrow nothing comes but comments. Connections end all the same.
func TestWatchComesBackToAQuietBatch(t *testing.T) {
	const quiet = "retry: 1\n\n: keep-alive\n\n"
	const patience = time.Second
	s := newScript(t, Config{Patience: patience}, stream(quiet, false), func(w http.ResponseWriter, r *http.Request) {
		stream(quiet, false)(w, r)
		<-time.After(patience + patience/4) // longer than one would try in vain
	}, say(http.StatusServiceUnavailable, ""), stream(batchEvent(1), true))
	_, errs := watched(t.Context(), s.client)
	require.Len(t, errs, 3)
	require.ErrorIs(t, errs[0], errEnded)
	require.ErrorIs(t, errs[1], errEnded)
	require.Len(t, s.seen(), 4)
}

// Who thinks about an event for a long time does not lose the connection for that.
func TestTheListenersOwnTimeIsNotTheServers(t *testing.T) {
	const timeout = time.Second
	done := make(chan struct{})
	s := newScript(t, Config{IdleTimeout: timeout}, func(w http.ResponseWriter, r *http.Request) {
		stream(recipientEvent(1, 0), false)(w, r)
		<-done
		stream(batchEvent(2), true)(w, r)
	})
	for c, err := range s.client.Watch(t.Context(), batchID) {
		require.NoError(t, err)
		if c.Batch != nil {
			break
		}
		<-time.After(2 * timeout)
		close(done)
	}
	require.Len(t, s.seen(), 1)
}

func TestWatchEndsWhereTheServerRefuses(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusNotFound, `{"error_code": "not_found"}`))
	_, errs := watched(t.Context(), s.client)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], batch.ErrNotFound)
}

func TestWatchLosesItsPatience(t *testing.T) {
	s := newScript(t, Config{Patience: 100 * time.Millisecond}, stream("retry: 10\n\n", false), hangUp)
	_, errs := watched(t.Context(), s.client)
	require.Greater(t, len(errs), 2)
	s = newScript(t, Config{Patience: time.Nanosecond}, say(http.StatusOK, "{}"))
	_, errs = watched(t.Context(), s.client)
	require.Len(t, errs, 1)
	require.ErrorContains(t, errs[0], "expected text/event-stream")
}

func TestWatchNoticesAConnectionThatVanished(t *testing.T) {
	s := newScript(t, Config{IdleTimeout: time.Second}, stream("retry: 1\n\n"+recipientEvent(1, 0), true), stream(batchEvent(2), true))
	seen, errs := watched(t.Context(), s.client)
	require.Equal(t, []int{0}, seen)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], errIdle)
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newScript(t, Config{}, stream(recipientEvent(1, 0), true))
	n := 0
	for _, err := range s.client.Watch(ctx, batchID) {
		require.NoError(t, err)
		n++
		cancel()
	}
	require.Equal(t, 1, n)
}

func TestEventsThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"event: batch\ndata: {\n\n", "event: recipient\ndata: {\n\n", "event: recipient\ndata: {}\n\n"} {
		s := newScript(t, Config{}, stream(text, true))
		_, errs := watched(t.Context(), s.client)
		require.Len(t, errs, 1, text)
		require.ErrorIs(t, errs[0], errUnreadable)
	}
}
