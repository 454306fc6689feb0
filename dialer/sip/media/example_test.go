package media_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/outdial/outdial/dialer/sip/media"
)

// An agent in this process that returns what it hears, and hangs up when a key is pressed.
func ExampleAgentFunc() {
	agent := media.AgentFunc(func(ctx context.Context, leg media.Leg) error {
		for {
			select {
			case <-leg.DTMF():
				return nil
			default:
			}
			heard, err := leg.ReadFrame(ctx)
			if err != nil {
				return err
			}
			if err := leg.WriteFrame(ctx, heard); err != nil {
				return err
			}
		}
	})
	_, err := media.RTP(media.Config{Agent: agent, IP: netip.MustParseAddr("192.0.2.10")})
	fmt.Println(err)
	// Output: <nil>
}
