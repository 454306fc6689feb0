// Package media is the seam between the signalling of a SIP call and what is heard on it.
//
// The signalling, package sip, carries session descriptions and never touches a packet; a
// [Session] makes and reads descriptions and never sees a SIP message. [RTP] is the
// implementation that ships: G.711 over RTP or SRTP, telephone events, and an agent behind
// a WebSocket or in this process.
package media

import (
	"context"
	"errors"

	"github.com/outdial/outdial/dialer"
)

// Handler makes the sessions of a trunk's calls. It is safe for concurrent use.
type Handler interface {
	// Open is called before the INVITE leaves, and may take until ctx ends: to open a
	// port, or to have an agent ready so that nobody answers to silence. After an error
	// nobody is called. The caller closes the session.
	Open(ctx context.Context, call dialer.Call) (Session, error)
}

// Session is the media of one call. Its methods are called from one goroutine at a time, but
// for Run, beside which all others may be called.
type Session interface {
	// Offer returns our session description for an INVITE, or for a re-INVITE of the peer
	// that has none. Each call returns one that the peer can be shown next.
	Offer() ([]byte, error)

	// Answer takes the peer's description to our last Offer. early says that it came with
	// a provisional response: the final one may bring another. An error says that
	// the call cannot be heard; an answered call is then hung up.
	Answer(sdp []byte, early bool) error

	// Reoffer takes a description that the peer offers in the call (hold, resume, a new
	// address) and returns our answer. After an error everything stays as it was, and
	// the peer is refused with 488.
	Reoffer(sdp []byte) (answer []byte, err error)

	// Run is called once, when the call is answered, and carries the audio until the call is
	// over. nil: the agent hung up. [ErrInactive], [ErrDisconnected]: what they say. Any other
	// error: the call ends with the reason error, and the error's text as its message.
	// When ctx ends, which means that the call is over already, Run returns at once;
	// [PeerHungUp] tells whether it was the callee.
	Run(ctx context.Context) error

	// Left is closed when the agent hangs up before Run is called: nobody wants the call any more.
	// Nil: it never is.
	Left() <-chan struct{}

	// Key takes a key that the callee pressed and the signalling tells: 0-9, *, #, A-D.
	Key(key rune)

	// Details tells what is worth keeping of the media: numbers of packets, the time to the
	// agent's first audio. It is all there once Run has returned, which is not waited for
	// where it takes long. The keys begin with "media_".
	Details() map[string]string

	// Close gives back everything, and is the time to take leave of the agent. It may be called at
	// any time after Open, once, and returns soon even where Run does not.
	Close() error
}

// ErrInactive says that nothing was heard of the callee for as long as the trunk allows.
var ErrInactive = errors.New("no media was received from the callee")

// ErrDisconnected says that the way to the agent broke off without either side hanging up.
var ErrDisconnected = errors.New("the connection to the agent was lost")

// errPeer is the cause of a context that ends because the callee hung up.
var errPeer = errors.New("the callee hung up")

// HungUp is the cause with which the signalling ends Run when the callee hung up.
func HungUp() error { return errPeer }

// PeerHungUp says whether ctx is over because the callee hung up.
func PeerHungUp(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errPeer) }
