package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/examples/outdial/remote"
)

// TestKillServe kills outdial serve with SIGKILL at random moments, while clients create batches and
// repeat each request until it is answered. Then it compares what the database says with the books
// of the carrier, and with what the clients were promised.
func TestKillServe(t *testing.T) {
	t.Parallel() // it waits most of the time
	if testing.Short() {
		t.Skip("builds and kills a program for some seconds")
	}
	k := newKiller(t)
	const share = 3 // of the kills
	k.left = max(k.left/share, 1)
	k.total = k.left
	k.most = killLimit // of two batches together
	s := &serveKiller{killer: k, address: freeAddress(t)}
	for range 2 {
		s.clients.Go(s.client)
	}
	for k.left > 0 {
		s.live()
	}
	s.last()
	k.judge()
}

type serveKiller struct {
	*killer

	address string
	clients sync.WaitGroup

	mu     sync.Mutex
	enough bool // no further batches
}

// freeAddress is one on which nobody listens, and that no other test is given. It is below the ports that the system gives to
// whoever connects, so that none of those has it when a process that was killed starts again.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, last = 18_000, 32_000
	for range 100 {
		port := first + rand.IntN(last-first)
		if _, given := portsGiven.LoadOrStore(port, true); given {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		require.NoError(t, l.Close())
		return l.Addr().String()
	}
	require.FailNow(t, "there is no free port", "from %d to %d", first, last)
	return ""
}

// portsGiven are global because ports are the machine's.
var portsGiven sync.Map

// start starts the server.
func (s *serveKiller) start() (c *exec.Cmd, said *strings.Builder, l life) {
	said = &strings.Builder{}
	c = exec.Command(s.binary, "serve", "--listen", s.address, "--config", s.path("config.yaml"), "--db", s.path("test.db"))
	c.Stderr, c.Stdout = said, said
	l.born = time.Now()
	require.NoError(s.t, c.Start())
	l.pid = c.Process.Pid
	return c, said, l
}

// live runs the server until a random moment.
func (s *serveKiller) live() {
	c, said, l := s.start()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	err := s.wait(c, ended)
	l.died, l.killed = time.Now(), isKilled(err)
	require.True(s.t, l.killed, "%v: %s", err, said)
	s.left--
	s.lives = append(s.lives, l)
}

// last runs it until the clients have what they asked for.
func (s *serveKiller) last() {
	c, said, l := s.start()
	s.mu.Lock()
	s.enough = true
	s.mu.Unlock()
	s.clients.Wait()
	require.NoError(s.t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(s.t, c.Wait(), said.String())
	l.died = time.Now()
	s.lives = append(s.lives, l)
}

// client creates one batch after the other and follows each to its end.
func (s *serveKiller) client() {
	c, err := remote.New(remote.Config{URL: "http://" + s.address, Key: testKey})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute+time.Duration(s.total)*time.Second)
	defer cancel()
	for s.more() {
		b := s.request()
		id := ""
		for id == "" && ctx.Err() == nil {
			created, err := c.Create(ctx, b)
			if err == nil {
				id = created.ID
			}
		}
		s.mu.Lock()
		s.promised[id] = true
		s.mu.Unlock()
		if !follow(ctx, c, id) {
			s.t.Error("a batch does not come to its end")
			return
		}
	}
}

func (s *serveKiller) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.enough
}

// request is one for a batch that was not asked for yet.
func (s *serveKiller) request() batch.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := batch.Request{
		Name: fmt.Sprint(len(s.files)), Key: fmt.Sprint(os.Getpid(), "-", len(s.files)), AgentID: "greeter", NumberID: "london",
		Target: killTarget, RingTimeout: batch.MinRingTimeout,
	}
	for i := range killRecipients {
		r.Recipients = append(r.Recipients, batch.RecipientRequest{To: fmt.Sprintf("+4420794601%02d", i)})
	}
	s.files = append(s.files, r.Name)
	return r
}

// follow says whether the batch came to its end.
func follow(ctx context.Context, c *remote.Client, id string) bool {
	for change, err := range c.Watch(ctx, id) {
		if err == nil && change.Batch != nil && change.Batch.Counts.Over() {
			return true
		}
	}
	return false
}
