package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

var (
	killCount = flag.Int("kills", 0, "how often to kill outdial; 0: 100 with OUTDIAL_REQUIRE=all, else 25")
	killSeed  = flag.Uint64("killseed", 0, "when to kill it; 0: another time each run")
)

// What the child dials. One batch takes about three seconds if nobody kills it.
const (
	killRecipients = 80
	killTarget     = 8
	killLimit      = 12
	killConfig     = `
organisations: {demo: {concurrency_limit: %d, region: EU, api_keys: ["%s"]}}
agents: {greeter: {}}
carriers: {imitation: "fake://?answer=0.6&no_answer=0.2&busy=0.1&failed=0.05&refused=0.05&ring=2s&talk=6s&speed=20&books=%s"}
numbers: {london: {e164: "+442079460000", carriers: [imitation]}}
`
)

// TestKill kills outdial with SIGKILL at random moments and repeats the same command until its
// batch is over, batch after batch. Then it compares what the database says with the books
// of the carrier, which know what truly happened.
func TestKill(t *testing.T) {
	t.Parallel() // it waits most of the time
	if testing.Short() {
		t.Skip("builds and kills a program for some seconds")
	}
	k := newKiller(t)
	for file := 1; k.left > 0; file++ {
		k.batch(file)
	}
	k.judge()
}

type killer struct {
	t      *testing.T
	dir    string
	binary string
	random *rand.Rand
	left   int // kills to go
	most   int // calls at once
	total  int

	files    []string // that were dialled
	lives    []life
	promised map[string]bool // ids of batches that outdial told
}

// life is one process of outdial.
type life struct {
	pid    int
	born   time.Time
	died   time.Time
	killed bool
}

func newKiller(t *testing.T) *killer {
	t.Helper()
	total := *killCount
	if total == 0 {
		total = 25
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			total = 100
		}
	}
	seed := cmp.Or(*killSeed, uint64(time.Now().UnixNano()))
	t.Logf("%d kills, -killseed %d", total, seed)
	k := &killer{
		t: t, dir: t.TempDir(), binary: program(t), left: total, total: total, most: killTarget, promised: map[string]bool{},
		random: rand.New(rand.NewPCG(seed, 0)),
	}
	config := fmt.Sprintf(killConfig, killLimit, hashOf(testKey), k.books())
	require.NoError(t, os.WriteFile(k.path("config.yaml"), []byte(config), 0o600))
	return k
}

func (k *killer) path(name string) string { return filepath.Join(k.dir, name) }

func (k *killer) books() string { return k.path("books.jsonl") }

// batch repeats one command until its batch is over.
func (k *killer) batch(number int) {
	file := k.path(fmt.Sprintf("recipients%d.csv", number))
	var text strings.Builder
	text.WriteString("to_number,place\n")
	for i := range killRecipients {
		fmt.Fprintf(&text, "+4420794601%02d,%d\n", i, number)
	}
	require.NoError(k.t, os.WriteFile(file, []byte(text.String()), 0o600))
	k.files = append(k.files, file)
	for over := false; !over; {
		over = k.live(file)
	}
}

// live runs the command once and says whether it came to its end.
func (k *killer) live(file string) (over bool) {
	var said strings.Builder
	c := exec.Command(k.binary, "run", file, "--config", k.path("config.yaml"), "--db", k.path("test.db"),
		"--target", fmt.Sprint(killTarget), "--ring-timeout", "5s", "--out", k.path("results.csv"))
	c.Stderr, c.Stdout = &said, &said
	l := life{born: time.Now()}
	require.NoError(k.t, c.Start())
	l.pid = c.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	err := k.wait(c, ended)
	l.died = time.Now()
	l.killed = isKilled(err)
	k.lives = append(k.lives, l)
	for _, id := range regexp.MustCompile(`acb_[0-9A-Za-z]{22}`).FindAllString(said.String(), -1) {
		k.promised[id] = true
	}
	if l.killed {
		k.left--
		return false
	}
	require.NoError(k.t, err, said.String())
	return true
}

// wait kills the process at a random moment, unless it ends before or was killed often enough.
func (k *killer) wait(c *exec.Cmd, ended <-chan error) error {
	patience, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	var moment <-chan time.Time
	if k.left > 0 {
		moment = time.After(k.moment())
	}
	select {
	case err := <-ended:
		return err
	case <-moment:
	case <-patience.Done():
		k.t.Error("outdial does not come to its end")
	}
	_ = c.Process.Kill() // it may have ended just now, which is seen below
	return <-ended
}

// moment favours the beginning: the first milliseconds, when the database is made and the batch
// created, and the first tenths of a second, when the orphans of the life before are taken over.
func (k *killer) moment() time.Duration {
	spans := []time.Duration{30 * time.Millisecond, 250 * time.Millisecond, 1500 * time.Millisecond}
	return time.Duration(k.random.Int64N(int64(spans[k.random.IntN(len(spans))])))
}

func isKilled(err error) bool {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return false
	}
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// firstDials is how long each process took until it placed its first call, of those that did.
func (k *killer) firstDials(books fake.Books) []time.Duration {
	var took []time.Duration
	for _, l := range k.lives {
		i := slices.IndexFunc(books.Entries, func(e fake.Entry) bool { // a later process may have had the same id
			return e.Event == fake.Placed && e.PID == l.pid && !e.At.Before(l.born) && !e.At.After(l.died)
		})
		if i >= 0 {
			took = append(took, books.Entries[i].At.Sub(l.born))
		}
	}
	slices.Sort(took)
	return took
}
