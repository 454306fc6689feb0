package twiliotest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

// world is Twilio and an agent, which survive, and a database.
type world struct {
	t       *testing.T
	twilio  *twiliotest.Twilio
	life    life
	numbers []dialer.Phone
}

func newWorld(t *testing.T, c twiliotest.Config, recipients int) *world {
	t.Helper()
	c.AccountSID, c.AuthToken = account, token
	w := &world{t: t, twilio: twiliotest.New(c)}
	api := httptest.NewServer(w.twilio)
	t.Cleanup(func() {
		w.twilio.Close()
		api.Close()
	})
	w.life = life{
		Database: filepath.Join(t.TempDir(), "outdial.db"), API: api.URL, Listen: freeAddress(t), Agent: listeningAgent(t),
	}
	for i := range recipients {
		w.numbers = append(w.numbers, dialer.Phone(fmt.Sprintf("+1415555%04d", i)))
	}
	return w
}

// freeAddress is one on which each process listens in turn.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// listeningAgent returns the URL of one who never says a word.
func listeningAgent(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var talks sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		talks.Add(1)
		defer talks.Done()
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // it is gone
		for err == nil {
			_, _, err = conn.Read(ctx)
		}
	}))
	t.Cleanup(func() {
		cancel()
		talks.Wait()
		server.Close()
	})
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// process is a life that was begun.
type process struct {
	*exec.Cmd

	stderr bytes.Buffer
	over   chan error
}

func (w *world) begin() *process {
	w.t.Helper()
	text, err := json.Marshal(w.life)
	require.NoError(w.t, err)
	p := &process{Cmd: exec.Command(os.Args[0]), over: make(chan error, 1)}
	p.Env = append(os.Environ(), childEnv+"="+string(text))
	p.Stderr = &p.stderr
	require.NoError(w.t, p.Start())
	go func() { p.over <- p.Wait() }()
	return p
}

// finish is the last life, which may take so long.
func (w *world) finish(most time.Duration) *process {
	w.t.Helper()
	p := w.begin()
	select {
	case err := <-p.over:
		require.NoError(w.t, err, p.stderr.String())
	case <-time.After(most):
		_ = p.Process.Kill()
		require.Error(w.t, <-p.over, "it was killed")
		w.t.Fatalf("the batch is not over: %s", p.stderr.String())
	}
	return p
}

// rings counts how often each phone rang.
func (w *world) rings() map[string]int {
	rang := map[string]int{}
	for _, e := range w.twilio.Books() {
		if e.Rang {
			rang[e.To]++
		}
	}
	return rang
}

// recipients are what the database says in the end.
func (w *world) recipients() []store.Recipient {
	w.t.Helper()
	st, err := sqlite.Open(w.t.Context(), sqlite.Config{Path: w.life.Database})
	require.NoError(w.t, err)
	defer st.Close()
	e, err := batch.New(batch.Config{Store: st, Directory: directory{w.life}})
	require.NoError(w.t, err)
	all, err := e.Recipients(w.t.Context(), store.RecipientQuery{Org: org, BatchID: w.life.Batch})
	require.NoError(w.t, err)
	require.Len(w.t, all, len(w.numbers))
	return all
}

// errorOf is what went wrong in a recipient's call.
func (w *world) errorOf(r store.Recipient) string {
	w.t.Helper()
	st, err := sqlite.Open(w.t.Context(), sqlite.Config{Path: w.life.Database})
	require.NoError(w.t, err)
	defer st.Close()
	call, err := st.Call(w.t.Context(), org, r.CallID)
	require.NoError(w.t, err)
	return call.Error
}
