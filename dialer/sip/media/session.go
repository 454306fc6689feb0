package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// session is a call's RTP.
type session struct {
	config Config
	call   dialer.Call
	pacer  *pacer
	opened pair

	negotiation *negotiation
	isAnswered  bool // by a final response

	receiver     *receiver
	sender       *sender
	conversation Conversation // nil: not ready

	reading  sync.WaitGroup
	mu       sync.Mutex // guards isClosed and the beginning of running
	isClosed bool
	running  sync.WaitGroup
	stop     chan struct{} // closed by Close
	inactive chan struct{} // has a token when nothing was received for too long
	began    time.Time     // when Run was called
}

func newSession(h *handler, call dialer.Call, opened pair) (*session, error) {
	n, err := newNegotiation(h.config, opened.port)
	if err != nil {
		return nil, err
	}
	s := &session{
		config: h.config, call: call, pacer: h.pacer, opened: opened, negotiation: n,
		sender: newSender(opened.rtp, h.config.Comfort),
		stop:   make(chan struct{}), inactive: make(chan struct{}, 1),
	}
	s.receiver = newReceiver(h.config, s.sender.redirect)
	// Nobody reads what comes to the other port, which is open so that nobody else gets
	// it. The system keeps as little of it as it may.
	opened.rtcp.SetReadBuffer(1) //nolint:errcheck,gosec // it would only cost memory
	s.reading.Go(s.read)
	return s, nil
}

// read takes packets until the port is closed.
func (s *session) read() {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := s.opened.rtp.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.receiver.take(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now())
		}
	}
}

func (s *session) Offer() ([]byte, error) { return s.negotiation.offer() }

func (s *session) Answer(description []byte, early bool) error {
	a, err := s.negotiation.answered(description)
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	s.apply(a)
	s.isAnswered = s.isAnswered || !early
	if s.isAnswered || s.config.EarlyMedia {
		s.receiver.activate()
	}
	return nil
}

func (s *session) Reoffer(description []byte) ([]byte, error) {
	answer, a, err := s.negotiation.answer(description)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	s.apply(a)
	return answer, nil
}

func (s *session) apply(a agreement) {
	s.sender.apply(a)
	s.receiver.apply(a)
}

func (s *session) Close() error {
	s.end()
	s.running.Wait()
	err := s.opened.close()
	s.reading.Wait()
	if s.conversation != nil {
		err = errors.Join(err, s.conversation.Close())
	}
	if err != nil {
		return fmt.Errorf("media: closing a session: %w", err)
	}
	return nil
}

func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isClosed = true
	close(s.stop)
}

// begin says whether Run may run; Close waits for it then.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false
	}
	s.running.Add(1)
	s.began = time.Now()
	return true
}

// Details has times in milliseconds and packets as they were counted by us.
func (s *session) Details() map[string]string {
	details := make(map[string]string)
	put := func(name string, n int) { details["media_"+name] = strconv.Itoa(n) }
	s.sender.details(details, put, s.began)
	s.receiver.details(put)
	return details
}

func (s *sender) details(details map[string]string, put func(string, int), began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put("packets_sent", s.sent)
	if s.audio.codec != "" {
		details["media_codec"] = string(s.audio.codec)
	}
	if s.encrypt != nil {
		details["media_encryption"] = "srtp"
	}
	if !s.firstAt.IsZero() {
		put("agent_first_audio_ms", int(s.firstAt.Sub(began).Milliseconds()))
	}
}

func (r *receiver) details(put func(string, int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	put("packets_received", r.received)
	put("packets_lost", r.order.lost)
	put("packets_late", r.order.late)
	put("packets_duplicate", r.order.duplicate)
	put("packets_rejected", r.rejected)
	put("packets_early", r.early)
	put("jitter_ms", int(r.jitter.duration().Milliseconds()))
	put("frames_unread", r.inbox.missed())
}
