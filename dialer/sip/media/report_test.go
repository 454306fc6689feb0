package media_test

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

// report is a compound packet that the peer received.
type report struct {
	packets []rtcp.Packet
	at      time.Time
}

func (p *peer) hearReport(datagram []byte) {
	if packets, err := rtcp.Unmarshal(datagram); err == nil {
		select {
		case p.told <- report{packets, time.Now()}:
		default: // nobody listens
		}
	}
}

// report waits for one.
func (p *peer) report() report {
	p.t.Helper()
	select {
	case r := <-p.told:
		require.NoError(p.t, rtcp.CompoundPacket(r.packets).Validate())
		return r
	case <-time.After(patience):
		require.FailNow(p.t, "no report came")
		return report{}
	}
}

// besides opens the peer's port for RTCP, above that for RTP.
func (p *peer) besides() {
	p.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port + 1})
	if err != nil {
		p.t.Skip("the port above that of RTP is taken")
	}
	p.control = conn
	p.done.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			p.hearReport(append([]byte(nil), buffer[:n]...))
		}
	})
	p.t.Cleanup(func() { conn.Close() })
}

func (p *peer) tell(to uint16, packets ...rtcp.Packet) {
	p.t.Helper()
	packets = append(packets[:1:1], append([]rtcp.Packet{rtcp.NewCNAMESourceDescription(p.header.SSRC, "peer")}, packets[1:]...)...)
	datagram, err := rtcp.Marshal(packets)
	require.NoError(p.t, err)
	conn := p.conn
	if p.control != nil {
		conn = p.control
	}
	_, err = conn.WriteToUDPAddrPort(datagram, netip.AddrPortFrom(p.to.Addr(), to))
	require.NoError(p.t, err)
}

const ntpEpoch = 2208988800 // the seconds from 1900 to 1970

func TestReportsOfBothSides(t *testing.T) {
	for name, isMuxed := range map[string]bool{"on a port of their own": false, "on the port of RTP": true} {
		t.Run(name, func(t *testing.T) {
			agent := newLegs()
			s, p, _ := open(t, media.Config{Agent: media.AgentFunc(agent.talk), Reports: 200 * time.Millisecond})
			to := p.to.Port() + 1
			var attributes []string
			if isMuxed {
				attributes, to = []string{"rtcp-mux"}, p.to.Port()
			} else {
				p.besides()
			}
			require.NoError(t, s.Answer(p.sdp("0", attributes...), false))
			c := run(t, s, p)
			c.leg = <-agent.leg
			ours := p.packet().SSRC
			p.say(0, 440, 5)
			p.header.SequenceNumber += 5 // as many are lost
			p.say(0, 440, 10)
			c.hears(440)

			// What we say of our stream and of the peer's.
			sent := rtcp.SenderReport{SSRC: p.header.SSRC, NTPTime: 0x1111222233334444}
			p.tell(to, &sent)
			var said *rtcp.SenderReport
			for said == nil || len(said.Reports) == 0 || said.Reports[0].LastSenderReport == 0 {
				r := p.report()
				said, _ = r.packets[0].(*rtcp.SenderReport)
				if said != nil {
					require.WithinDuration(t, r.at, time.Unix(int64(said.NTPTime>>32)-ntpEpoch, 0), 5*time.Second)
				}
			}
			require.Equal(t, ours, said.SSRC)
			require.Positive(t, said.PacketCount)
			require.Equal(t, said.PacketCount*160, said.OctetCount)
			require.Len(t, said.Reports, 1)
			block := said.Reports[0]
			require.Equal(t, p.header.SSRC, block.SSRC)
			require.EqualValues(t, 5, block.TotalLost)
			require.EqualValues(t, 0x22223333, block.LastSenderReport)
			require.EqualValues(t, 65500+19, block.LastSequenceNumber, "with the wraps of the number")

			// What the peer says of ours: it held our report back for 100 ms, and the rest is the way.
			begun := time.Now()
			<-time.After(150 * time.Millisecond)
			p.tell(to, &rtcp.ReceiverReport{SSRC: p.header.SSRC, Reports: []rtcp.ReceptionReport{
				{SSRC: 12345, TotalLost: 99, Jitter: 8000},
				{SSRC: ours, TotalLost: 7, Jitter: 80, LastSenderReport: uint32(said.NTPTime >> 16), Delay: 65536 / 10},
			}})
			require.Eventually(t, func() bool { return s.Details()["media_remote_lost"] != "" }, patience, time.Millisecond)
			details := s.Details()
			require.Equal(t, "7", details["media_remote_lost"])
			require.Equal(t, "10", details["media_remote_jitter_ms"])
			trip, err := strconv.Atoi(details["media_round_trip_ms"])
			require.NoError(t, err)
			require.GreaterOrEqual(t, trip, 49)
			require.LessOrEqual(t, trip, int(time.Since(begun).Milliseconds())+int(begun.Sub(time.Unix(int64(said.NTPTime>>32)-ntpEpoch, int64(said.NTPTime&0xffffffff)*1e9>>32)).Milliseconds()))
		})
	}
}

func TestAnEndIsTold(t *testing.T) {
	agent := newLegs()
	s, p, _ := open(t, media.Config{Agent: media.AgentFunc(agent.talk), Reports: time.Hour})
	require.NoError(t, s.Answer(p.sdp("0", "rtcp-mux"), false))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	<-agent.leg
	ssrc := p.packet().SSRC
	close(agent.hangUp)
	require.NoError(t, <-ended)
	require.NoError(t, s.Close())
	r := p.report()
	bye, ok := r.packets[len(r.packets)-1].(*rtcp.Goodbye)
	require.True(t, ok, "%v", r.packets)
	require.Equal(t, []uint32{ssrc}, bye.Sources)
}

func TestNoReportsWhereNoneAreWanted(t *testing.T) {
	c := connect(t, media.Config{Reports: -1}, "0", "rtcp-mux")
	c.heard(10)
	require.Empty(t, c.peer.told)
}

func TestReportsAreEncryptedAsTheMediaIs(t *testing.T) {
	agent := newLegs()
	session, p, offer := open(t, media.Config{
		Encryption: media.Encrypted, Agent: media.AgentFunc(agent.talk), Reports: 40 * time.Millisecond,
	})
	s := suites()[0]
	attribute := p.secure(s, offer, 1)
	theirs := p.theirs
	in, err := srtp.CreateContext(theirs[:16], theirs[16:], s.profile)
	require.NoError(t, err)
	encrypted := make(chan []byte, 64)
	p.mu.Lock()
	p.raws = encrypted
	p.mu.Unlock()
	require.NoError(t, session.Answer(description("127.0.0.1", p.port, "RTP/SAVP", "0", attribute, "rtcp-mux"), false))
	c := run(t, session, p)
	c.leg = <-agent.leg
	select {
	case datagram := <-encrypted:
		plain, err := in.DecryptRTCP(nil, datagram, nil)
		require.NoError(t, err)
		packets, err := rtcp.Unmarshal(plain)
		require.NoError(t, err)
		require.NoError(t, rtcp.CompoundPacket(packets).Validate())
	case <-time.After(patience):
		require.Fail(t, "no report came")
	}
	p.tell(p.to.Port(), &rtcp.ReceiverReport{SSRC: 1}) // anybody may have sent that
	require.NotContains(t, session.Details(), "media_remote_lost")
}

func TestComfortNoiseIsPartOfTheStream(t *testing.T) {
	c := connect(t, media.Config{Reorder: -1}, "0")
	c.peer.say(0, 440, 2)
	for range 3 {
		c.peer.write(13, []byte{60})
	}
	c.peer.say(0, 880, 3)
	c.hears(880)
	require.Equal(t, "8", c.Details()["media_packets_received"])
	require.Equal(t, "0", c.Details()["media_packets_lost"])
}

func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	for name, sign := range map[string]func(*peer){
		"comfort noise":                 func(p *peer) { p.write(13, []byte{60}) },
		"a payload that was not agreed": func(p *peer) { p.write(18, make([]byte, 20)) },
		"RTCP":                          func(p *peer) { p.tell(p.to.Port()+1, &rtcp.ReceiverReport{SSRC: p.header.SSRC}) },
		"RTCP on the port of RTP":       func(p *peer) { p.tell(p.to.Port(), &rtcp.ReceiverReport{SSRC: p.header.SSRC}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const timeout = 2 * time.Second // in which a busy machine has the next sign come
			c := connect(t, media.Config{InitialTimeout: timeout, Timeout: timeout}, "0")
			for began := time.Now(); time.Since(began) < 2*timeout+timeout/2; {
				sign(c.peer)
				c.heard(5)
				require.Empty(t, c.ended, "the peer is there")
			}
			require.ErrorIs(t, c.end(), media.ErrInactive, "and then it is not")
		})
	}
	t.Run("none of a stranger", func(t *testing.T) {
		c := connect(t, media.Config{InitialTimeout: 400 * time.Millisecond}, "0")
		stranger := newPeer(t)
		stranger.to = c.peer.to
		over := time.After(patience)
		for len(c.ended) == 0 {
			select {
			case <-over:
				require.FailNow(t, "a stranger keeps the call alive")
			case <-time.After(10 * time.Millisecond):
				stranger.write(18, make([]byte, 20))
			}
		}
		require.ErrorIs(t, c.end(), media.ErrInactive)
	})
}
