package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

const (
	childEnv     = "OUTDIAL_SQLITE_CHILD"      // the file that a child dials from
	childNodeEnv = "OUTDIAL_SQLITE_CHILD_NODE" // under which id

	childOrgs  = 3
	childBatch = 20
	childStep  = 7
)

// runChild dials from the file until somebody kills it, and says on its standard output
// what was acknowledged: B and a batch, C and a call that was claimed, E and one that has ended.
func runChild(path string) {
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	id := os.Getenv(childNodeEnv)
	if err := s.Heartbeat(context.Background(), store.Node{ID: id}, time.Hour); err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready")
	var all sync.WaitGroup
	for org := range childOrgs {
		all.Go(func() { dialForEver(s, id, fmt.Sprintf("org_%d", org)) })
	}
	all.Wait()
}

func dialForEver(s *sqlite.Store, id, org string) {
	src := newSource()
	src.now = time.Now()
	src.reseed()
	var before []store.Claimed
	for {
		b, err := s.CreateBatch(context.Background(), src.batch(org), people(childBatch, true))
		say("B", b.ID, err)
		for range childBatch/childStep + 1 {
			out, err := s.Advance(context.Background(), store.Step{
				Org: org, Owner: id, Now: src.now, Limit: 1 << 20,
				Events: ended(before, src.now), Claims: []store.Claim{src.claim(b, childStep)},
			})
			for _, c := range before {
				say("E", c.Call.ID, err)
			}
			for _, c := range out.Claimed {
				say("C", c.Call.ID, err)
			}
			before = out.Claimed
		}
	}
}

// say writes one line with one system call, so that a line is there or not.
func say(what, id string, err error) {
	if err != nil {
		what, id = "error", err.Error()
	}
	_, _ = os.Stdout.WriteString(what + " " + id + "\n")
}

// child is a process that dials.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
}

func startChild(t *testing.T, path, id string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path, childNodeEnv+"="+id)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &child{t: t, cmd: cmd, out: bufio.NewReader(out)}
}

// line returns the next line, io.EOF when the child is gone.
func (c *child) line() (string, error) {
	line, err := c.out.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

func (c *child) ready() {
	c.t.Helper()
	line, err := c.line()
	require.NoError(c.t, err)
	require.Equal(c.t, "ready", line)
}

// kill ends the child as kill -9 does, and returns what it had still said.
func (c *child) kill() []string {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Kill())
	rest, err := io.ReadAll(c.out)
	require.NoError(c.t, err)
	_ = c.cmd.Wait() // says that it was killed
	if len(rest) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
}
