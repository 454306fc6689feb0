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

	reading   sync.WaitGroup
	mu        sync.Mutex // guards isClosed, ran and answered
	isClosed  bool
	ran       chan struct{} // closed when Run has returned; nil: it was not called
	answered  time.Time
	stop      chan struct{} // closed by Close
	inactive  chan struct{} // has a token when nothing was received for too long
	reporting reporting     // the pacer's
}

func newSession(h *handler, call dialer.Call, opened pair) (*session, error) {
	n, err := newNegotiation(h.config, opened.port)
	if err != nil {
		return nil, err
	}
	s := &session{
		config: h.config, call: call, pacer: h.pacer, opened: opened, negotiation: n,
		sender: newSender(opened.rtp, opened.rtcp, h.config.Comfort), reporting: newReporting(h.config.Reports),
		stop: make(chan struct{}), inactive: make(chan struct{}, 1),
	}
	s.receiver = newReceiver(h.config, s.sender.header.SSRC, s.sender.redirect)
	s.reading.Go(func() { s.read(opened.rtp, s.take) })
	s.reading.Go(func() { s.read(opened.rtcp, s.receiver.takeControl) })
	return s, nil
}

// read takes packets until the port is closed.
func (s *session) read(port *net.UDPConn, take func([]byte, netip.AddrPort, time.Time)) {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := port.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			take(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now())
		}
	}
}

// take takes what comes to the port of RTP.
func (s *session) take(datagram []byte, from netip.AddrPort, at time.Time) {
	if isControl(datagram) {
		s.receiver.takeControl(datagram, from, at)
		return
	}
	s.receiver.take(datagram, from, at)
}

func (s *session) Offer() ([]byte, error) { return s.negotiation.offer() }

func (s *session) Answer(description []byte, early bool) error {
	a, err := s.negotiation.answered(description)
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	s.apply(a)
	if !early {
		s.answer()
	}
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

// answer notes when the call was answered. What the agent does then is measured from here.
func (s *session) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isAnswered {
		s.isAnswered, s.answered = true, time.Now()
	}
}

func (s *session) Left() <-chan struct{} {
	if s.conversation == nil {
		return nil
	}
	return s.conversation.Done()
}

func (s *session) Key(key rune) { s.receiver.signalled(key) }

// closePatience is how long an agent in this process may take to see that the call is over.
const closePatience = 2 * time.Second

// Close gives the ports back first: an agent that does not return must not keep them.
func (s *session) Close() error {
	ran := s.end()
	s.pacer.leave(s)
	if ran != nil && s.reporting.every > 0 {
		s.report(true)
	}
	err := s.opened.close()
	s.reading.Wait()
	if !returned(ran) {
		go func() { // it is left to itself
			<-ran
			s.takeLeave() //nolint:errcheck,gosec // nobody is there to be told
		}()
		return errors.Join(err, errStays)
	}
	if err = errors.Join(err, s.takeLeave()); err != nil {
		return fmt.Errorf("media: closing a session: %w", err)
	}
	return nil
}

var errStays = errors.New("media: the agent does not return from a call that is over: its goroutine stays")

func returned(ran <-chan struct{}) bool {
	if ran == nil {
		return true
	}
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-ran:
		return true
	case <-timer.C:
		return false
	}
}

func (s *session) takeLeave() error {
	if s.conversation == nil {
		return nil
	}
	return s.conversation.Close()
}

func (s *session) end() (ran <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isClosed = true
	close(s.stop)
	return s.ran
}

// begin says whether Run may run, and begins to send then. Close ends that.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false
	}
	s.ran = make(chan struct{})
	s.receiver.answered()
	s.pacer.join(s)
	return true
}

// Details has times in milliseconds and packets as they were counted by us.
func (s *session) Details() map[string]string {
	details := make(map[string]string)
	put := func(name string, n int) { details["media_"+name] = strconv.Itoa(n) }
	s.mu.Lock()
	answered := s.answered
	s.mu.Unlock()
	s.sender.details(details, put, answered)
	s.receiver.details(put)
	return details
}

func (s *sender) details(details map[string]string, put func(string, int), answered time.Time) {
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
		put("agent_first_audio_ms", int(s.firstAt.Sub(answered).Milliseconds()))
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
	if r.told.known {
		put("remote_lost", r.told.lost)
		put("remote_jitter_ms", int(r.told.jitter.Milliseconds()))
	}
	if r.told.trip > 0 {
		put("round_trip_ms", int(r.told.trip.Round(time.Millisecond).Milliseconds()))
	}
}
