package media

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/dialer"
)

// ErrAgent is wrapped by the error of [Handler.Open] when the agent cannot be had. Nobody was
// called then.
var ErrAgent = errors.New("the agent cannot be reached")

// RTP returns a handler whose sessions carry G.711 over RTP or SRTP, with telephone events, to
// and from an agent. It holds no ports and no goroutines but those of open sessions. RTCP goes to
// the port above that of RTP, or to the same one where the peer agrees to that (RFC 5761).
//
// What a session's Details has:
//
//	media_codec                 PCMU or PCMA, as it is sent
//	media_encryption            srtp; absent: none
//	media_packets_sent          packets of RTP
//	media_packets_received      those that were the peer's and were agreed
//	media_packets_lost          those that never came, by their sequence numbers
//	media_packets_late          those that came after they had been given up, and were dropped
//	media_packets_duplicate     those that came more than once
//	media_packets_rejected      those from elsewhere, forged, not agreed or not RTP
//	media_packets_early         those that were ignored since the call was not answered
//	media_jitter_ms             the jitter of RFC 3550, section 6.4.1, at the end
//	media_frames_unread         frames that the agent did not read in time
//	media_agent_first_audio_ms  from the answer to the agent's first frame; absent: it said nothing
//
// And what the peer told by RTCP of the media that it receives, absent where it told nothing:
//
//	media_remote_lost           packets that never came there
//	media_remote_jitter_ms      the jitter of their arrival
//	media_round_trip_ms         the time there and back, by the last report that had it
func RTP(c Config) (Handler, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &handler{config: c, ports: newPorts(c.ListenIP, c.Ports), pacer: &pacer{}}, nil
}

type handler struct {
	config Config
	ports  *ports
	pacer  *pacer
}

func (h *handler) Open(ctx context.Context, call dialer.Call) (Session, error) {
	opened, err := h.ports.open()
	if err != nil {
		return nil, err
	}
	s, err := newSession(h, call, opened)
	if err != nil {
		return nil, errors.Join(err, opened.close())
	}
	if h.config.AgentAtAnswer {
		return s, nil
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ready has the agent ready.
func (s *session) ready(ctx context.Context) error {
	conversation, err := s.config.Agent.Ready(ctx, s.call)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAgent, err)
	}
	s.conversation = conversation
	return nil
}
