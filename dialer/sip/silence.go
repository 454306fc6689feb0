package sip

import (
	"context"
	"fmt"
	"net"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// silence is the media of a dialer without any: see Config.Media. Its port is one for all calls,
// and kept so that it is nobody else's that the peers send to.
type silence struct{ *net.UDPConn }

func newSilence() (*silence, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("sip: reserving a port: %w", err)
	}
	return &silence{conn}, nil
}

// Open implements [media.Handler].
func (s *silence) Open(context.Context, dialer.Call) (media.Session, error) {
	port := 0
	if addr, ok := s.LocalAddr().(*net.UDPAddr); ok {
		port = addr.Port
	}
	return silent(port), nil
}

// silent is the session of a call: the port that is never read.
type silent int

// Offer implements [media.Session].
func (s silent) Offer() ([]byte, error) { return s.description(), nil }

// Answer implements [media.Session]. It takes everything.
func (s silent) Answer([]byte, bool) error { return nil }

// Reoffer implements [media.Session].
func (s silent) Reoffer([]byte) ([]byte, error) { return s.description(), nil }

// Run implements [media.Session].
func (s silent) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Left implements [media.Session].
func (s silent) Left() <-chan struct{} { return nil }

// Key implements [media.Session].
func (s silent) Key(rune) {}

// Details implements [media.Session].
func (s silent) Details() map[string]string { return nil }

// Close implements [media.Session].
func (s silent) Close() error { return nil }

// description names an address that discards what is sent there, whoever reads it.
func (s silent) description() []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n", int(s))
}
