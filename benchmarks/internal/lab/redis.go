package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrMissing says that a program is not installed, and its text how to get it.
var ErrMissing = errors.New("is missing")

// Redis is a server that runs until [Redis.Stop].
type Redis struct {
	Addr    string
	Version string

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process is over
	folder string
}

func startRedis(ctx context.Context, folder string, args ...string) (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("lab: redis-server %w: apt-get install redis-server", ErrMissing)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	args = append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder}, args...)
	r := &Redis{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), folder: folder,
		done: make(chan struct{}),
		cmd:  &exec.Cmd{Path: path, Args: append([]string{path}, args...)}, // it outlives ctx: Stop ends it
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal interrupts only us: Stop ends it
	diesWithUs(r.cmd.SysProcAttr)
	if err := r.start(); err != nil {
		return nil, fmt.Errorf("lab: redis-server: %w", err)
	}
	if err := r.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: redis-server: %w", err), r.Stop())
	}
	return r, nil
}

// start keeps the thread that begins the process: when that ends, the kernel ends the process as well.
func (r *Redis) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.cmd.Start()
		started <- err
		if err == nil {
			_ = r.cmd.Wait() // it is killed in the end
			close(r.done)
		}
	}()
	return <-started
}

// ready waits until the server answers, and asks for its version.
func (r *Redis) ready(ctx context.Context) error {
	const patience, between = 20 * time.Second, 20 * time.Millisecond
	client := redis.NewClient(&redis.Options{Addr: r.Addr, MaxRetries: -1})
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		info, err := client.InfoMap(ctx, "server").Result()
		if err == nil {
			r.Version = info["Server"]["redis_version"]
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(between):
		}
	}
}

// Settings says how it keeps what it has, as it tells itself.
func (r *Redis) Settings(ctx context.Context) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer client.Close()
	var out []string
	for _, name := range []string{"appendonly", "appendfsync", "save"} {
		got, err := client.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", fmt.Errorf("lab: redis-server: %w", err)
		}
		out = append(out, fmt.Sprintf("%s %q", name, got[name]))
	}
	return strings.Join(out, ", "), nil
}

// Empty deletes everything in it.
func (r *Redis) Empty(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	return errors.Join(client.FlushAll(ctx).Err(), client.Close())
}

// Stop ends the server and deletes its data.
func (r *Redis) Stop() error {
	_ = r.cmd.Process.Kill() // there is nothing to keep
	<-r.done
	return os.RemoveAll(r.folder)
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, errors.Join(err, listener.Close())
	}
	port, err := strconv.Atoi(text)
	return port, errors.Join(err, listener.Close())
}
