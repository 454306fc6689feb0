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
func Routed(trunk Trunk, r Resolver) media.Handler { return &routed{trunk: trunk, resolver: r} }
