//go:build unix

package bridge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

// TestManyCalls has an agent over WebSockets return what it hears, in many calls at once.
func TestManyCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const calls, frames = 20, 100
	var returned atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(w, r) }))
	defer srv.Close()
	h := handler(t, 43000)
	before, began := used(), time.Now()
	var all sync.WaitGroup
	for range calls {
		p, _, _ := dial(t, h, strings.Replace(srv.URL, "http", "ws", 1))
		all.Go(func() {
			ticker := time.NewTicker(media.FrameTime)
			defer ticker.Stop()
			for i := range frames {
				<-ticker.C
				p.say(440, i, 1)
			}
		})
		all.Go(func() {
			_, first := p.hear()
			for n, loudFrames := uint16(1), 0; loudFrames < frames-5; n++ {
				samples, header := p.hear()
				require.Equal(t, first.SequenceNumber+n, header.SequenceNumber, "none is lost, all are in order")
				if level(samples, 440) > 0.8 {
					loudFrames++
					returned.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d calls with agents over WebSockets, all sides in this process: %.2f ms of CPU per call and second",
		calls, float64((used()-before).Microseconds())/1000/calls/time.Since(began).Seconds())
	require.EqualValues(t, calls*(frames-5), returned.Load())
}

// echo is an agent that returns what it hears.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // whatever it says, it is gone
	for {
		_, data, err := conn.Read(r.Context())
		var m message
		if err != nil || json.Unmarshal(data, &m) != nil {
			return
		}
		if m.Event != "media" {
			continue
		}
		payload, err := json.Marshal(m.Media.Payload)
		if err != nil {
			return
		}
		out := fmt.Sprintf(`{"event":"media","streamSid":%q,"media":{"payload":%s}}`, m.StreamSid, payload)
		if conn.Write(r.Context(), websocket.MessageText, []byte(out)) != nil {
			return
		}
	}
}

// used is the CPU time of this process.
func used() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
