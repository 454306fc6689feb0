package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

const (
	// maxMessage is the longest message of an agent's that is read: a minute and a half of audio.
	maxMessage = 1 << 20

	// maxMarks is how many marks may wait for an agent to read them.
	maxMarks = 10_000

	// maxOdd is how many messages without a meaning a call outlives.
	maxOdd = 100

	// closeTime is how long an agent may take to let go of a connection.
	closeTime = time.Second
)

// socket is a connection to an agent, which is read from until it is closed, and a stream
// on it. It is safe for concurrent use.
type socket struct {
	conn    *websocket.Conn
	line    io.Closer // what is under it
	sid     string
	backlog *backlog

	//nolint:containedctx // the life of the connection, which no call of a method spans
	ctx    context.Context
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	over     chan struct{} // closed when nothing more can be read
	err      error         // why; nil: the agent hung up
	isMoving bool          // it is restarted, or moved, and another one may take its place

	log *slog.Logger
	odd int // messages that were passed over

	writing  sync.Mutex
	sequence int
	chunk    int
	buffer   []byte

	marking sync.Mutex
	leg     media.Leg // nil: the call was not answered yet
	marks   []string  // to be returned
	marked  chan struct{}
}

// connect opens a connection and says so to the agent.
func (a *agent) connect(ctx context.Context, call dialer.Call) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.ConnectTimeout)
	defer cancel()
	client := *a.config.HTTPClient
	line := &line{RoundTripper: client.Transport}
	client.Transport = line
	//nolint:bodyclose // there is no need to, says Dial
	conn, response, err := websocket.Dial(ctx, call.Agent.URL, &websocket.DialOptions{
		HTTPClient: &client, HTTPHeader: a.header(call),
	})
	switch {
	case err != nil && response != nil:
		return nil, fmt.Errorf("connecting to the agent: it answered with status %d", response.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("connecting to the agent: %w", withoutURL(err))
	}
	s := newSocket(ctx, conn, line.Closer, a.config)
	if err := s.send(connectedMessage()); err != nil {
		s.close(websocket.StatusInternalError)
		return nil, fmt.Errorf("greeting the agent: %w", err)
	}
	return s, nil
}

// newSocket begins to read.
func newSocket(ctx context.Context, conn *websocket.Conn, line io.Closer, c Config) *socket {
	s := &socket{
		conn: conn, line: line, sid: newSid(), backlog: newBacklog(c.MaxBacklog),
		over: make(chan struct{}), marked: make(chan struct{}, 1), log: c.Logger,
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	conn.SetReadLimit(maxMessage)
	s.tasks.Go(s.read)
	if c.PingEvery > 0 {
		s.tasks.Go(func() { s.ping(s.ctx, c.PingEvery) })
	}
	return s
}

func newSid() string {
	var random [16]byte
	rand.Read(random[:])
	return "MZ" + hex.EncodeToString(random[:])
}

// ping finds out that an agent is gone which did not say so, and one that does not read.
func (s *socket) ping(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.over:
			return
		}
		waiting, cancel := context.WithTimeout(ctx, every)
		err := s.conn.Ping(waiting)
		cancel()
		if err != nil {
			s.cancel(media.ErrDisconnected)
			return
		}
	}
}

// send numbers all messages but the first.
func (s *socket) send(m outgoing) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if m.Event != "connected" {
		s.sequence++
		m.SequenceNumber, m.StreamSid = strconv.Itoa(s.sequence), s.sid
	}
	message, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.conn.Write(s.ctx, websocket.MessageText, message)
}

func (s *socket) sendMedia(audio []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sequence++
	s.chunk++
	s.buffer = appendMedia(s.buffer[:0], s.sid, s.sequence, s.chunk, audio)
	return s.conn.Write(s.ctx, websocket.MessageText, s.buffer)
}

// close says goodbye, and returns when the connection is gone, which takes closeTime at most.
func (s *socket) close(status websocket.StatusCode) {
	timer := time.AfterFunc(closeTime, s.breakOff)
	defer timer.Stop()
	s.conn.Close(status, "") //nolint:gosec // it is gone, whatever it says
	s.cancel(media.ErrDisconnected)
	s.tasks.Wait()
}

// drop lets go of a connection that is lost.
func (s *socket) drop() {
	s.breakOff()
	s.tasks.Wait()
}

// breakOff ends everything that is waited for.
func (s *socket) breakOff() {
	s.cancel(media.ErrDisconnected)
	s.line.Close() //nolint:gosec // whatever it says, it is gone
}
