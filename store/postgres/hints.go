package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	l := newListener(s, out)
	go func() {
		defer s.running.Done()
		defer close(out)
		ctx, cancel := s.untilClosed(ctx)
		var telling sync.WaitGroup
		defer telling.Wait()
		defer cancel()
		telling.Go(func() { l.tell(ctx) })
		l.run(ctx)
	}()
	return out
}

const (
	hintBuffer    = 256
	probeTimeout  = 5 * time.Second
	quietLimit    = 10 * time.Second // a connection that is silent for that long is asked whether it lives
	relistenAfter = time.Second
	reprobeAfter  = time.Minute // where notifications do not get through
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
	missed chan struct{} // has one when hints were missed, because nobody took them
}

func newListener(s *Store, out chan string) *listener {
	return &listener{Store: s, out: out, missed: make(chan struct{}, 1)}
}

var (
	errDeaf   = errors.New("notifications do not get through")
	errPooler = errors.New("another process of the server answers than the one that was connected to: this is a pooler")
)

// run listens, and again when the connection breaks, until ctx ends or it turns out to be of no use. What swallows
// notifications may be gone later, or have been a server in distress.
func (l *listener) run(ctx context.Context) {
	for deaf := false; ; {
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		after := relistenAfter
		switch {
		case errors.Is(err, errPooler):
			l.log.Info("postgres: not listening", "reason", err)
			<-ctx.Done()
			return
		case errors.Is(err, errDeaf):
			if !deaf {
				l.log.Info("postgres: not listening", "reason", err)
			}
			deaf, after = true, reprobeAfter
		default:
			l.log.Warn("postgres: listening again", "error", err)
			deaf = false
		}
		if pause(ctx, after) != nil {
			return
		}
	}
}

func (l *listener) listen(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	conn, err := l.connect(connecting)
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

// connect makes a connection as the pool does, whose host may have a say in it: in a password that is for a while.
func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	pool := l.pool.Config()
	config := pool.ConnConfig.Copy()
	if pool.BeforeConnect != nil {
		if err := pool.BeforeConnect(ctx, config); err != nil {
			return nil, err
		}
	}
	config.OnNotification = nil // they are waited for
	return pgx.ConnectConfig(ctx, config)
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
	if err := l.bounded(ctx, func(ctx context.Context) error { return l.notify(ctx, []string{payload}) }); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout) // from when it was sent, which may have taken its time
	defer cancel()
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
	select {
	case l.out <- org:
		return
	default:
	}
	select {
	case l.missed <- struct{}{}:
	default: // it is told of behind this one as well
	}
}

// tell tells of what was missed. What is missed while it waits for room is told of once more: the reader may have taken
// this one before.
func (l *listener) tell(ctx context.Context) {
	for {
		select {
		case <-l.missed:
		case <-ctx.Done():
			return
		}
		select {
		case l.out <- "":
		case <-ctx.Done():
			return
		}
	}
}
