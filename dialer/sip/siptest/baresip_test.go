package siptest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

// phoneConfig makes baresip a phone without sound card that sends back what it hears.
const phoneConfig = `sip_listen 127.0.0.1:%d
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%d
audio_source aubridge,loop
audio_player aubridge,loop
audio_alert aubridge,alert
rtp_ports %d-%d
`

// phone is a baresip that takes every call to one number.
type phone struct {
	*process

	port, control int
}

func newPhone(t *testing.T, number dialer.Phone) *phone {
	t.Helper()
	path := baresipProgram.path(t)
	folder := t.TempDir()
	p := &phone{port: freePort(t), control: freePort(t)}
	rtp := freePort(t)
	config := fmt.Sprintf(phoneConfig, p.port, p.control, rtp, rtp+1)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config"), []byte(config), 0o600))
	account := fmt.Sprintf("<sip:%s@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu\n", string(number))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "accounts"), []byte(account), 0o600))
	p.process = run(t, folder, path, "-4", "-f", folder, "-v")
	p.listens("udp", p.port)
	p.listens("tcp", p.control)
	return p
}

// command tells baresip what a person would press: JSON as a netstring.
func (p *phone) command(name string) {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.control)))
	require.NoError(p.t, err)
	defer conn.Close()
	text := fmt.Sprintf(`{"command":%q}`, name)
	_, err = fmt.Fprintf(conn, "%d:%s,", len(text), text)
	require.NoError(p.t, err)
	require.NoError(p.t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	require.NoError(p.t, err, "baresip does not say that it has heard")
}

// pitch is what the agent sings, in Hz.
const pitch = 700

// singer sends a tone until it hears it come back, tells so, and then does as then says.
func singer(heard chan<- struct{}, then func(context.Context) error) media.AgentFunc {
	return func(ctx context.Context, leg media.Leg) error {
		singing, stop := context.WithCancel(ctx)
		sung := make(chan struct{})
		go func() {
			defer close(sung)
			sing(singing, leg)
		}()
		err := listen(ctx, leg)
		stop()
		<-sung
		if err != nil {
			return err
		}
		heard <- struct{}{}
		return then(ctx)
	}
}

func sing(ctx context.Context, leg media.Leg) {
	for n := 0; ; n += media.FrameSamples {
		var f media.Frame
		for i := range f {
			f[i] = int16(8000 * math.Sin(2*math.Pi*pitch*float64(n+i)/media.SampleRate))
		}
		if leg.WriteFrame(ctx, f) != nil {
			return
		}
	}
}

// listen returns when a tenth of a second was nothing but the tone.
func listen(ctx context.Context, leg media.Leg) error {
	for pure := 0; pure < 5; {
		f, err := leg.ReadFrame(ctx)
		if err != nil {
			return err
		}
		if purity(f) > 0.9 {
			pure++
		} else {
			pure = 0
		}
	}
	return nil
}

// purity is how much of a frame's energy is at the pitch: from 0 to 1.
func purity(f media.Frame) float64 {
	var re, im, energy float64
	for i, sample := range f {
		sin, cos := math.Sincos(2 * math.Pi * pitch * float64(i) / media.SampleRate)
		re += float64(sample) * cos
		im += float64(sample) * sin
		energy += float64(sample) * float64(sample)
	}
	const least = 100 * 100 * media.FrameSamples // else it is silence
	if energy < least {
		return 0
	}
	return 2 * (re*re + im*im) / (media.FrameSamples * energy)
}

func TestCallsToBaresip(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
	for _, transport := range []sip.Transport{sip.UDP, sip.TCP} {
		for _, one := range []struct {
			name string
			then func(context.Context) error
			do   func(*phone, *dialled)
			ends dialer.EndReason
		}{
			{"agent hangs up", func(context.Context) error { return nil }, nil, dialer.AgentHangup},
			{"callee hangs up", nil, func(p *phone, _ *dialled) { p.command("hangup") }, dialer.ClientHangup},
			{
				"cancelled by API", nil, func(_ *phone, d *dialled) { d.cancel(nil) }, dialer.APICancelled,
			},
		} {
			t.Run(one.name+"/"+string(transport), func(t *testing.T) {
				t.Parallel()
				p := newPhone(t, callee)
				heard := make(chan struct{}, 1)
				then := one.then
				if then == nil {
					then = wait
				}
				d := newDialer(t, p.config(t, transport, singer(heard, then)))
				r := begin(t, d, newCall())
				r.reaches(dialer.Connected)
				select {
				case <-heard:
				case <-time.After(patience):
					require.Fail(t, "the tone does not come back", p.file("output"))
				}
				if one.do != nil {
					one.do(p, r)
				}
				r.over()
				require.NoError(t, r.err)
				require.Equal(t, one.ends, r.outcome.Reason, "%+v\n%s", r.outcome, p.file("output"))
				require.Equal(t, "0", r.outcome.Details["media_packets_lost"], "%v", r.outcome.Details)
				p.isIdle()
			})
		}
	}
}

func (p *phone) config(t *testing.T, transport sip.Transport, agent media.Agent) sip.Config {
	t.Helper()
	loopback := netip.MustParseAddr("127.0.0.1")
	handler, err := media.RTP(media.Config{Agent: agent, ListenIP: loopback, Ports: media.PortRange{First: 33000, Last: 33998}})
	require.NoError(t, err)
	return sip.Config{Media: handler, Trunks: []sip.Trunk{{
		Name: "phone", Host: "127.0.0.1", Port: p.port, Transport: transport, KeepAlive: -1,
	}}}
}

// isIdle waits until baresip has given up the audio of its call, which is the last that it does.
func (p *phone) isIdle() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		return strings.Contains(p.file("output"), "audio: destroyed")
	}, patience, 10*time.Millisecond, "%s", p.file("output"))
}

func TestANumberThatBaresipDoesNotHave(t *testing.T) {
	t.Parallel()
	p := newPhone(t, "+14155550199")
	agent := media.AgentFunc(func(context.Context, media.Leg) error { return errors.New("nobody is to be talked to") })
	r := begin(t, newDialer(t, p.config(t, sip.UDP, agent)), newCall())
	r.over()
	require.NoError(t, r.err)
	require.Equal(t, dialer.DialFailed, r.outcome.Reason)
	require.Equal(t, "404", r.outcome.Details["sip_code"])
}
