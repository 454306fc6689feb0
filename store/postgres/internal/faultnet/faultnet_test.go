package faultnet_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store/postgres/internal/faultnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is the address of a server that says what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func listen(t *testing.T, c faultnet.Config) *faultnet.Proxy {
	t.Helper()
	p, err := faultnet.Listen(t.Context(), echo(t), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func dial(t *testing.T, p *faultnet.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWithoutFaultsEverythingPasses(t *testing.T) {
	t.Parallel()
	p := listen(t, faultnet.Config{})
	c := dial(t, p)
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, len(sent))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
}

// Each fault shows in its own way, and what arrives is a beginning of what was sent.
func TestEveryFaultStrikes(t *testing.T) {
	t.Parallel()
	p := listen(t, faultnet.Config{Seed: 1, Odds: 0.05, Late: time.Millisecond})
	sent := []byte("what is to pass")
	whole, cut, resets, silent := 0, 0, 0, 0
	for range 300 {
		c, err := net.Dial("tcp", p.Addr())
		if errors.Is(err, syscall.ECONNRESET) {
			resets++
			continue
		}
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(100*time.Millisecond)))
		_, _ = c.Write(sent)
		got := make([]byte, len(sent))
		n, err := io.ReadFull(c, got)
		require.Equal(t, sent[:n], got[:n])
		switch {
		case err == nil:
			whole++
		case errors.Is(err, syscall.ECONNRESET):
			resets++
		case errors.Is(err, os.ErrDeadlineExceeded):
			silent++
		default:
			cut++
		}
		require.NoError(t, c.Close())
	}
	for _, n := range []int{whole, cut, resets, silent} {
		require.Positive(t, n)
	}
	for f := faultnet.Delay; f <= faultnet.Refuse; f++ {
		require.Positive(t, p.Count(f), "fault %d", f)
	}
	p.Calm()
	c := dial(t, p)
	_, err := c.Write(sent)
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, len(sent)))
	require.NoError(t, err)
}
