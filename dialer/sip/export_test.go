package sip

import (
	"time"

	"github.com/outdial/outdial/dialer/sip/media"
)

// SetSecond makes a second of Session-Expires and Retry-After shorter. It is called before the first call.
func (d *Dialer) SetSecond(second time.Duration) { d.second = second }

// Parse reads a URL.
var Parse = parse

// Routed is the media of a trunk that is named by URL, without an agent.
func Routed(r Resolver, trunks ...Trunk) media.Handler {
	return &routed{trunks: trunks, resolver: r, config: media.Config{Agent: media.AgentFunc(nil), AgentAtAnswer: true}}
}

// EndAuthRests has the credentials of every trunk tried again, as after their rest.
func (d *Dialer) EndAuthRests() {
	for _, t := range d.trunks {
		t.account.mu.Lock()
		t.account.refused = time.Now().Add(-t.AuthRest - time.Second)
		t.account.mu.Unlock()
	}
}

// EndRests has every server take calls again.
func (d *Dialer) EndRests() {
	for _, t := range d.trunks {
		t.mu.Lock()
		for _, s := range t.states {
			s.restUntil = time.Time{}
		}
		t.mu.Unlock()
	}
}

// IsShared says whether the process listens at the address for whoever asks for it.
func IsShared(address string) bool {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return shared.open[address] != nil
}
