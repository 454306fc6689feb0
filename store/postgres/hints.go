package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Hints returns a channel that gets the id of an organisation soon after something of it was changed by another
// Store, in this process or another one, and "" when changes of any may have been missed, as after the connection
// was lost. It is closed when ctx ends or the store is closed.
//
// They are hints only: some may be missing, or come twice or for nothing, and at first none comes for as long
// as it takes to find out whether notifications get through. Whoever asks the store from time to time
// misses nothing. Each call takes a connection of its own. Behind a pooler, and wherever else
// notifications do not get through, the channel stays silent; with Config.NoHints it is closed at once. A reader that
// is slow misses hints, and gets "" for them.
func (s *Store) Hints(ctx context.Context) <-chan string {
	out := make(chan string, hintBuffer)
	if s.noHints || s.enter() != nil {
		close(out)
		return out
	}
	l := &listener{Store: s, out: out}
	go func() {
		defer s.running.Done()
		defer close(out)
		ctx, cancel := s.untilClosed(ctx)
		defer cancel()
		l.run(ctx)
	}()
	return out
}

const (
	hintBuffer    = 256
	probeTimeout  = 5 * time.Second
	quietLimit    = 10 * time.Second // a connection that is silent for that long is asked whether it lives
	relistenAfter = time.Second
)

// untilClosed is ctx, ended when the store is closed as well.
func (s *Store) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-stopped }
}

// listener is one call of Hints.
type listener struct {
	*Store

	out    chan string
	missed bool // hints, because nobody took them
}

var (
	errDeaf   = errors.New("notifications do not get through")
	errPooler = errors.New("another process of the server answers than the one that was connected to: this is a pooler")
)

// run listens, and again when the connection breaks, until ctx ends or it turns out to be of no use.
func (l *listener) run(ctx context.Context) {
	for {
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errDeaf) || errors.Is(err, errPooler) {
			l.log.Info("postgres: not listening", "reason", err)
			<-ctx.Done()
			return
		}
		l.log.Warn("postgres: listening again", "error", err)
		if pause(ctx, relistenAfter) != nil {
			return
		}
	}
}

func (l *listener) listen(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	config := l.pool.Config().ConnConfig.Copy()
	config.OnNotification = nil // they are waited for
	conn, err := pgx.ConnectConfig(connecting, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // there is nothing to be lost
	}()
	if err := direct(connecting, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(connecting, "LISTEN "+pgx.Identifier{l.channel()}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := l.probe(ctx, conn); err != nil {
		return err
	}
	l.hint("") // what was changed before is not known
	for {
		if err := l.next(ctx, conn); err != nil {
			return err
		}
	}
}

// direct returns errPooler where it is no server that was connected to. In transaction mode LISTEN would stay with a
// connection of the server, and every client that got it would be sent what is notified.
func direct(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	// Nothing is prepared by name, which a pooler might not keep.
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return fmt.Errorf("who answers: %w", err)
	}
	if pid != conn.PgConn().PID() {
		return errPooler
	}
	return nil
}

// The payload of a probe is no hexadecimal, so that others who listen do not take it for an organisation.
const probePrefix = "probe "

// probe has a notification sent the way that others send them, and waits for it.
func (l *listener) probe(ctx context.Context, conn *pgx.Conn) error {
	payload := probePrefix + rand.Text()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := l.notify(ctx, []string{payload}); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return errDeaf
		case err != nil:
			return fmt.Errorf("probe: %w", err)
		case n.Payload == payload:
			return nil
		}
	}
}

// next waits for a notification, or finds out after a while of silence that the connection lives.
func (l *listener) next(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, quietLimit)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil {
		l.receive(n.Payload)
		return nil
	}
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("wait: %w", err)
	}
	// Half-open connections are silent for ever.
	asking, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if err := conn.Ping(asking); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

func (l *listener) receive(payload string) {
	if strings.HasPrefix(payload, probePrefix) {
		return
	}
	payload, token, _ := strings.Cut(payload, " ")
	org, err := hex.DecodeString(payload)
	if err != nil || token == l.token {
		return // somebody else's, or our own
	}
	l.hint(string(org))
}

// hint never waits: whoever does not keep up is told that something is missing, as soon as there is room.
func (l *listener) hint(org string) {
	if l.missed {
		org = ""
	}
	select {
	case l.out <- org:
		l.missed = false
	default:
		l.missed = true
	}
}
