package sip_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// studio is media that notes what the signalling does with it, and does as it is told.
type studio struct {
	openErr, offerErr, answerErr, reofferErr error
	run                                      func(context.Context) error // nil: until the end

	left chan struct{} // closed when the agent hangs up before the answer; nil: it does not

	mu    sync.Mutex
	notes []string
}

func (s *studio) Open(context.Context, dialer.Call) (media.Session, error) {
	s.note("open")
	if s.openErr != nil {
		return nil, s.openErr
	}
	return &take{studio: s}, nil
}

func (s *studio) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *studio) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// take is one session.
type take struct {
	studio *studio
	offers int
}

func (t *take) Offer() ([]byte, error) {
	t.studio.note("offer")
	t.offers++
	return fmt.Appendf(nil, "v=0\r\no=- 1 %d IN IP4 127.0.0.1\r\ns=ours\r\n", t.offers), t.studio.offerErr
}

func (t *take) Answer(sdp []byte, early bool) error {
	t.studio.note("answer %d %t", len(sdp), early)
	return t.studio.answerErr
}

func (t *take) Reoffer(sdp []byte) ([]byte, error) {
	t.studio.note("reoffer %d", len(sdp))
	return []byte("v=0\r\ns=reanswer\r\n"), t.studio.reofferErr
}

func (t *take) Run(ctx context.Context) error {
	t.studio.note("run")
	if t.studio.run != nil {
		return t.studio.run(ctx)
	}
	<-ctx.Done()
	t.studio.note("stop %t", media.PeerHungUp(ctx))
	return nil
}

func (t *take) Details() map[string]string { return map[string]string{"media_packets": "7"} }

func (t *take) Close() error {
	t.studio.note("close")
	return nil
}

func (t *take) Left() <-chan struct{} { return t.studio.left }

func (t *take) Key(key rune) { t.studio.note("key %c", key) }
