package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sippScenario is what SIPp does with each call, as the number called tells it. %d: how long a call lasts
// that the callee ends, in milliseconds.
const sippScenario = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="carrier">
<recv request="INVITE"><action>
<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>
<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>
<ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="target"/>
<ereg regexp="794601[0-9][0-9]" search_in="hdr" header="To:" assign_to="calleeEnds"/>
<ereg regexp="794602[0-9][0-9]" search_in="hdr" header="To:" assign_to="isBusy"/>
<ereg regexp="794603[0-9][0-9]" search_in="hdr" header="To:" assign_to="noAnswer"/>
<ereg regexp="794604[0-9][0-9]" search_in="hdr" header="To:" assign_to="fails"/>
</action></recv>
<nop next="2" test="isBusy"/>
<nop next="4" test="fails"/>
{180 Ringing}
<nop next="3" test="noAnswer"/>
{200 OK}
<recv request="ACK"/>
<nop next="1" test="calleeEnds"/>
<recv request="BYE"/>
<send next="9"><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<label id="1"/>
<pause milliseconds="%d"/>
<send retrans="500"><![CDATA[

BYE [$target] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From:[$to];tag=[pid]T[call_number]
To:[$from]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200" next="9"/>
<label id="2"/>
{486 Busy Here}
<recv request="ACK" next="9"/>
<label id="3"/>
<recv request="CANCEL"/>
<send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
{487 Request Terminated}
<recv request="ACK" next="9"/>
<label id="4"/>
{404 Not Found}
<recv request="ACK" next="9"/>
<label id="9"/>
<nop/>
</scenario>
`

// sippAnswers writes out the answers to INVITE that stand in braces.
func sippAnswers(scenario string) string {
	return regexp.MustCompile(`\{(\d+) ([^}]*)\}`).ReplaceAllStringFunc(scenario, func(short string) string {
		line := strings.Trim(short, "{}")
		again, body := ` retrans="500"`, "Content-Length: 0\n"
		switch line[:3] {
		case "180":
			again = ""
		case "200":
			body = "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=carrier 1 1 IN IP4 [local_ip]\ns=-\n" +
				"c=IN IP4 [media_ip]\nt=0 0\nm=audio 9 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
		}
		return "<send" + again + "><![CDATA[\n\nSIP/2.0 " + line + "\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]T[call_number]\n" +
			"Call-ID: [call_id]\nCSeq:[$cseq]\nContact: <sip:carrier@[local_ip]:[local_port]>\n" + body + "\n]]></send>"
	})
}

// sipp is a carrier that SIPp plays.
type sipp struct {
	t     *testing.T
	port  int
	trace string
}

func newSIPp(t *testing.T, w *world, talk time.Duration) *sipp {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		const missing = "sipp is missing: apt-get install sip-tester"
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			require.FailNow(t, missing+" (OUTDIAL_REQUIRE=all wants everything)")
		}
		t.Skip(missing)
	}
	s := &sipp{t: t, port: freeUDP(t), trace: w.path("sipp.trace")}
	scenario := w.write("scenario.xml", fmt.Sprintf(sippAnswers(sippScenario), talk.Milliseconds()))
	said := &listener{}
	c := exec.Command(path, "-sf", scenario, "-t", "u1", "-i", "127.0.0.1", "-bind_local", "-p", strconv.Itoa(s.port),
		"-cp", strconv.Itoa(freeUDP(t)), "-mi", "127.0.0.1", "-nostdin", "-skip_rlimit", "-trace_msg", "-message_file", s.trace)
	c.Stdout, c.Stderr, c.Dir = said, said, w.dir
	require.NoError(t, c.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
	})
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			return hasUDP(t, s.port)
		}
	}, patience, 10*time.Millisecond, "SIPp does not listen: %s", said)
	select {
	case <-ended:
		require.FailNow(t, "SIPp does not start", said)
	default:
	}
	return s
}

// hasUDP says whether somebody has the port. It asks the system: binding the port in order to see would be in the way
// of who is about to.
func hasUDP(t *testing.T, port int) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/udp")
	require.NoError(t, err)
	return strings.Contains(string(table), fmt.Sprintf(":%04X 00000000:0000", port))
}

// freeUDP is a port that nobody has, for UDP and TCP.
func freeUDP(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p, err := net.ListenPacket("udp", l.Addr().String())
		require.NoError(t, l.Close())
		if err == nil {
			require.NoError(t, p.Close())
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	require.FailNow(t, "no port is free")
	return 0
}

func (s *sipp) hostport() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *sipp) name() string     { return "sip" }
func (s *sipp) url() string      { return "sip://" + s.hostport() + "?keepalive=0&session=0&channels=20" }

var (
	sippReceived = regexp.MustCompile(`(?s)received.*?\n(INVITE|BYE|CANCEL|ACK) sip:.*`)
	sippCallee   = regexp.MustCompile(`(?m)^INVITE sip:(\+\d+)@`)
	sippCallID   = regexp.MustCompile(`(?mi)^Call-ID: *(\S+)`)
)

// messages go through what SIPp has received and sent so far.
func (s *sipp) messages(each func(text, call string)) {
	text, err := os.ReadFile(s.trace)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(s.t, err)
	for m := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r", ""), "\n-----") {
		if id := sippCallID.FindStringSubmatch(m); id != nil {
			each(m, id[1])
		}
	}
}

// placed counts calls, and not what was sent again of them.
func (s *sipp) placed() map[string]int {
	calls := map[string]string{}
	s.messages(func(text, call string) {
		if m := sippCallee.FindStringSubmatch(text); m != nil && sippReceived.MatchString(text) {
			calls[call] = m[1]
		}
	})
	all := map[string]int{}
	for _, number := range calls {
		all[number]++
	}
	return all
}

var sippEnds = regexp.MustCompile(`(?m)^(SIP/2.0 (404|486|487) |BYE |CANCEL )`)

// live are the calls that were placed and of which no end is seen.
func (s *sipp) live() int {
	live := map[string]bool{}
	s.messages(func(text, call string) {
		switch {
		case sippEnds.MatchString(text):
			live[call] = false
		case sippCallee.MatchString(text):
			if _, known := live[call]; !known {
				live[call] = true
			}
		}
	})
	n := 0
	for _, is := range live {
		if is {
			n++
		}
	}
	return n
}
