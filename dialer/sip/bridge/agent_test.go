package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

// leg is a call of which the test plays the part of the callee: it is as slow or as quick as the
// test is.
type leg struct {
	call dialer.Call
	in   chan media.Frame // what the callee says
	keys chan rune

	mu     sync.Mutex
	queue  []media.Frame
	marks  []marked
	played []media.Frame
	clears int
	change chan struct{} // has a token when something changed
}

type marked struct {
	after  int // frames
	played func()
}

func newLeg(call dialer.Call) *leg {
	return &leg{
		call: call, in: make(chan media.Frame, 1000), keys: make(chan rune, 10), change: make(chan struct{}, 1),
	}
}

func (l *leg) Call() dialer.Call { return l.call }

func (l *leg) ReadFrame(ctx context.Context) (media.Frame, error) {
	select {
	case f := <-l.in:
		return f, nil
	case <-ctx.Done():
		return media.Frame{}, context.Cause(ctx)
	}
}

const room = 10

func (l *leg) WriteFrame(ctx context.Context, f media.Frame) error {
	for {
		l.mu.Lock()
		if len(l.queue) < room {
			l.queue = append(l.queue, f)
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		select {
		case <-l.change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *leg) Mark(played func()) {
	l.mu.Lock()
	after := len(l.queue)
	if after > 0 {
		l.marks = append(l.marks, marked{after, played})
	}
	l.mu.Unlock()
	if after == 0 {
		played()
	}
}

func (l *leg) Clear() {
	l.mu.Lock()
	marks := l.marks
	l.queue, l.marks = nil, nil
	l.clears++
	l.mu.Unlock()
	for _, m := range marks {
		m.played()
	}
	l.changed()
}

func (l *leg) changed() {
	select {
	case l.change <- struct{}{}:
	default:
	}
}

func (l *leg) SendDTMF(string) error { return nil }

func (l *leg) DTMF() <-chan rune { return l.keys }

// play plays a frame, if there is one.
func (l *leg) play() bool {
	l.mu.Lock()
	if len(l.queue) == 0 {
		l.mu.Unlock()
		return false
	}
	l.played = append(l.played, l.queue[0])
	l.queue = l.queue[1:]
	var due []func()
	for i := range l.marks {
		l.marks[i].after--
	}
	for len(l.marks) > 0 && l.marks[0].after == 0 {
		due = append(due, l.marks[0].played)
		l.marks = l.marks[1:]
	}
	l.mu.Unlock()
	for _, played := range due {
		played()
	}
	l.changed()
	return true
}

// plays has n frames played as they come, and returns them.
func (l *leg) plays(t *testing.T, n int) []media.Frame {
	t.Helper()
	for i := range n {
		require.Eventually(t, l.play, patience, time.Millisecond, "frame %d", i)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	played := l.played
	l.played = nil
	return played
}

// playOn plays whatever comes.
func (l *leg) playOn(over <-chan struct{}) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.play()
		case <-over:
			return
		}
	}
}

func (l *leg) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// server is an agent of which the test plays the part.
type server struct {
	t        *testing.T
	url      string
	requests chan *http.Request
	conns    chan *websocket.Conn
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, requests: make(chan *http.Request, 10), conns: make(chan *websocket.Conn, 10)}
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		s.requests <- r
		s.conns <- conn
		<-over
		_ = conn.CloseNow()
	}))
	s.url = strings.Replace(srv.URL, "http:", "ws:", 1)
	t.Cleanup(func() {
		close(over)
		srv.Close()
	})
	return s
}

// stream is a call with the test at both ends.
type stream struct {
	t     *testing.T
	leg   *leg
	conn  *websocket.Conn
	conv  media.Conversation
	sid   string
	start message
	ended chan error
	// closed has what Close returned, which is called when Talk has returned.
	closed chan error
	end    context.CancelCauseFunc
}

// message is what the agent reads.
type message struct {
	Event          string
	Protocol       string
	Version        string
	SequenceNumber string
	StreamSid      string
	Start          struct {
		AccountSid, StreamSid, CallSid string
		Tracks                         []string
		CustomParameters               map[string]string
		MediaFormat                    struct {
			Encoding             string
			SampleRate, Channels int
		}
	}
	Media struct {
		Track, Chunk, Timestamp string
		Payload                 []byte
	}
	DTMF struct{ Track, Digit string }
	Mark struct{ Name string }
	Stop struct{ AccountSid, CallSid string }
}

func aCall(url string) dialer.Call {
	return dialer.Call{
		ID: "ac_1", Org: "org_1", Batch: "acb_1", Recipient: "ap_1", Attempt: 2,
		Agent:    dialer.Agent{ID: "agent_1", URL: url},
		Metadata: json.RawMessage(`{"name": "Ada", "age": 36, "batch": "not this"}`),
	}
}

// begin has the call answered.
func begin(t *testing.T, c bridge.Config) *stream {
	t.Helper()
	s := serve(t)
	call := aCall(s.url + "/talk?key=1")
	conv, err := bridge.WebSocket(c).Ready(t.Context(), call)
	require.NoError(t, err)
	st := &stream{t: t, leg: newLeg(call), conn: <-s.conns, conv: conv, ended: make(chan error, 1), closed: make(chan error, 1)}
	require.Equal(t, message{Event: "connected", Protocol: "Call", Version: "1.0.0"}, st.read())
	st.talk()
	return st
}

func (s *stream) talk() {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.end = cancel
	returned := make(chan struct{})
	go func() { // as a session does it
		defer close(returned)
		s.ended <- s.conv.Talk(ctx, s.leg)
		s.closed <- s.conv.Close()
	}()
	s.t.Cleanup(func() {
		_ = s.conn.CloseNow()
		cancel(nil)
		<-returned
		require.NoError(s.t, <-s.closed)
	})
	s.start = s.read()
	s.sid = s.start.StreamSid
}

func (s *stream) read() message {
	s.t.Helper()
	m, err := s.tryRead()
	require.NoError(s.t, err)
	return m
}

func (s *stream) tryRead() (m message, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, data, err := s.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

func (s *stream) write(m string) {
	s.t.Helper()
	require.NoError(s.t, s.conn.Write(s.t.Context(), websocket.MessageText, []byte(m)))
}

func (s *stream) say(audio []byte) {
	s.t.Helper()
	payload, err := json.Marshal(audio)
	require.NoError(s.t, err)
	s.write(`{"event":"media","streamSid":"` + s.sid + `","media":{"payload":` + string(payload) + `}}`)
}

func (s *stream) over() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		require.FailNow(s.t, "Talk did not return")
		return nil
	}
}

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = time.Minute

// mulaw is n bytes that tell where they are: no two frames of less than 256 are alike.
func mulaw(n int) []byte {
	audio := make([]byte, n)
	for i := range audio {
		audio[i] = byte(i/160)*2 + 1
	}
	return audio
}

func isClosed(err error, status websocket.StatusCode) bool {
	var closed websocket.CloseError
	return errors.As(err, &closed) && closed.Code == status
}
