package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

var (
	errEnded = errors.New("it ended before it was ready")
	errUser  = errors.New("root may not run it, and there is neither a user postgres nor nobody")
)

// process is a program that runs in the background.
type process struct {
	cmd    *exec.Cmd
	output string // the file that has what it says
	done   chan struct{}
}

// run starts a program. The thread that starts it is kept until it is over, since it is the
// death of the thread that tells the program to end.
func run(folder string, as *syscall.Credential, path string, args ...string) (*process, error) {
	p := &process{cmd: command(as, path, args...), output: filepath.Join(folder, "output"), done: make(chan struct{})}
	file, err := os.OpenFile(p.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	defer file.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = folder, file, file
	p.cmd.SysProcAttr.Setpgid = true // so that an interrupt from the keyboard is for the test alone
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the code is in ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pgtest: start %s: %w", filepath.Base(path), err)
	}
	return p, nil
}

func command(as *syscall.Credential, path string, args ...string) *exec.Cmd {
	// Without a context: it is ended in good order, by signals. It was looked for by its name.
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // see above
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	diesWithUs(cmd.SysProcAttr)
	// Messages in the language that tests know, whoever runs them.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}

// end asks the program to end, and makes it after a while.
func (p *process) end(how syscall.Signal) {
	_ = p.cmd.Process.Signal(how) // it may be over
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be over
	<-p.done
}

// ready waits until the program does what the check asks of it.
func (p *process) ready(ctx context.Context, check func(context.Context) error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("pgtest: %s: %w: %s", p.cmd.Path, errEnded, p.says())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: %s is not ready: %w: %s", p.cmd.Path, err, p.says())
		}
	}
}

// says is the end of what the program has written.
func (p *process) says() string {
	const most = 2000
	text, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// freePort is one that nobody listens on now. Somebody else may be faster, so who uses it tries again.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pgtest: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // a listener over TCP
}

// newFolder makes one for the user that the program runs as. Its name is short: the path of a
// socket must not be longer than 107 bytes.
func newFolder(as *syscall.Credential) (string, error) {
	folder, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	if err := give(folder, as); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return folder, nil
}

// give makes the user that a program runs as the owner of a file.
func give(path string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}
