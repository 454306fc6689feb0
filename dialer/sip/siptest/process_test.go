package siptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = 2 * time.Minute

// process is a peer that runs.
type process struct {
	t      testing.TB
	name   string
	folder string
	cmd    *exec.Cmd
	done   chan struct{}
}

// run starts a program in a folder of its own. What it says is in the file "output" there.
func run(tb testing.TB, folder, path string, args ...string) *process {
	tb.Helper()
	output, err := os.Create(filepath.Join(folder, "output"))
	require.NoError(tb, err)
	defer output.Close()
	p := &process{
		t: tb, name: filepath.Base(path), folder: folder, cmd: exec.Command(path, args...), done: make(chan struct{}),
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = folder, output, output
	require.NoError(tb, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the code is in ProcessState
	}()
	tb.Cleanup(p.kill)
	return p
}

// stop ends a program that has children of its own, which it takes with it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be over
	<-p.done
}

// exit waits for the end and returns the code.
func (p *process) exit() int {
	p.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		require.Failf(p.t, p.name+" does not come to its end", "%s", p.file("trace"))
	}
	return p.cmd.ProcessState.ExitCode()
}

// listens waits until the program has the port.
func (p *process) listens(transport string, port int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		select {
		case <-p.done:
			return true
		default:
			return isBound(transport, port)
		}
	}, patience, 2*time.Millisecond, "%s does not listen: %s", p.name, p.file("output"))
	select {
	case <-p.done:
		require.Failf(p.t, p.name+" is over before it begins", "%s", p.file("output"))
	default:
	}
}

// file reads what the program wrote.
func (p *process) file(name string) string {
	text, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
