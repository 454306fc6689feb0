package siptest

import (
	"fmt"
	"strings"
)

// script is what a carrier does with a call, step by step.
type script []step

// step writes its part of a scenario for SIPp.
type step func(*scene)

// scene is a scenario that is being written.
type scene struct {
	strings.Builder

	variables map[string]bool
	cseq      int    // of the carrier's own requests
	last      string // the method that was received last
	labels    int
}

// ourTag is the To tag of what the carrier sends.
const ourTag = ";tag=[pid]T[call_number]"

func (s script) xml() string {
	w := &scene{variables: map[string]bool{}}
	w.line(`<?xml version="1.0" encoding="UTF-8" ?>`)
	w.line(`<scenario name="carrier">`)
	for _, step := range s {
		step(w)
	}
	for name := range w.variables {
		w.line(`<Reference variables="%s"/>`, name) // SIPp refuses variables that are set only
	}
	w.line(`</scenario>`)
	return w.String()
}

func (w *scene) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// keep stores what matches in a header of the message that is being received.
func (w *scene) keep(header, pattern, variable string) {
	w.variables[variable] = true
	w.line(`<ereg regexp="%s" search_in="hdr" header="%s:" assign_to="%s"/>`, pattern, header, variable)
}

// send writes a message. Where it is one that has to be sent again until something comes, again is true.
func (w *scene) send(again bool, lines []string, body string) {
	attributes := ""
	if again {
		attributes = ` retrans="500"`
	}
	w.line("<send%s><![CDATA[\n", attributes)
	for _, line := range lines {
		w.line("%s", line)
	}
	if body != "" {
		w.line("Content-Type: application/sdp")
	}
	w.line("Content-Length: [len]\n")
	w.line("%s", body)
	w.line("]]></send>")
}

// steps makes one step of several.
func steps(all ...step) step {
	return func(w *scene) {
		for _, step := range all {
			step(w)
		}
	}
}

// expect waits for a request. What an answer to it needs is kept, under the name of the method.
func expect(method string) step { return expectAs(method, method) }

// expectAs keeps it under another name.
func expectAs(name, method string, actions ...string) step {
	return func(w *scene) {
		w.line(`<recv request="%s"><action>`, method)
		for _, header := range []string{"Via", "From", "To", "CSeq"} {
			w.keep(header, ".*", name+header)
		}
		if method == "INVITE" {
			w.keep("Contact", "sip:[^&gt;]*", "target")
		}
		for _, action := range actions {
			w.line("%s", action)
		}
		w.line(`</action></recv>`)
		w.last = name
	}
}

// reply answers the request that is kept under the name. The headers are whole lines.
func replyTo(name string, code int, phrase, body string, headers ...string) step {
	return func(w *scene) {
		tag := ""
		if name == "INVITE" && code > 100 {
			tag = ourTag
		}
		lines := []string{
			fmt.Sprintf("SIP/2.0 %d %s", code, phrase),
			"Via:[$" + name + "Via]", "From:[$" + name + "From]", "To:[$" + name + "To]" + tag,
			"Call-ID: [call_id]", "CSeq:[$" + name + "CSeq]",
		}
		if code > 100 && code < 300 && name == "INVITE" {
			lines = append(lines, contact)
		}
		w.send(name == "INVITE" && code >= 200, append(lines, headers...), body)
	}
}

// seen waits for a request of which nothing is kept: see echo.
func seen(method string) step {
	return func(w *scene) {
		w.line(`<recv request="%s"/>`, method)
		w.last = method
	}
}

// seenPerhaps is for what may be lost, or may come again: over UDP a request is sent again after half a second, in
// which a busy machine does not always answer. SIPp knows it again only until it has sent something more, and then
// gives the call up.
func seenPerhaps(method string) step {
	return func(w *scene) { w.line(`<recv request="%s" optional="true"/>`, method) }
}

// echo answers what came last with the headers of just that, all that proxies wrote into them included.
// SIPp is faster at it than at what it has to keep.
func echo(code int, phrase, body string) step {
	return func(w *scene) {
		lines := []string{
			fmt.Sprintf("SIP/2.0 %d %s", code, phrase),
			"[last_Via:]", "[last_Record-Route:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]", contact,
		}
		if w.last == "INVITE" {
			lines[4] += ourTag
		}
		w.send(w.last == "INVITE" && code >= 200, lines, body)
	}
}

const contact = "Contact: <sip:carrier@[local_ip]:[local_port];transport=[transport]>"

// invited waits for the call.
func invited() step { return expect("INVITE") }

// trying, ringing and progress are the provisional responses, the last with a description.
func trying() step  { return replyTo("INVITE", 100, "Trying", "") }
func ringing() step { return replyTo("INVITE", 180, "Ringing", "") }

func progress(headers ...string) step {
	return replyTo("INVITE", 183, "Session Progress", sdp, headers...)
}

// refuse is a final response, with the ACK of it.
func refuse(code int, phrase string, headers ...string) step {
	return steps(replyTo("INVITE", code, phrase, "", headers...), seenPerhaps("INVITE"), expect("ACK"))
}

// answer is a 200 with a description, with the ACK of it.
func answer(headers ...string) step {
	return steps(unacknowledged(headers...), seenPerhaps("INVITE"), expect("ACK"))
}

// unacknowledged is a 200 without the ACK.
func unacknowledged(headers ...string) step { return replyTo("INVITE", 200, "OK", sdp, headers...) }

// ok answers the request that was received last.
func ok(headers ...string) step { return say(200, "OK", headers...) }

// say answers the request that was received last, which is no INVITE.
func say(code int, phrase string, headers ...string) step {
	return func(w *scene) { replyTo(w.last, code, phrase, "", headers...)(w) }
}

// hungUp waits for a BYE and answers it.
func hungUp() step { return steps(expect("BYE"), ok()) }

// cancelled waits for a CANCEL, and ends the call with 487.
func cancelled() step {
	return steps(expect("CANCEL"), ok(), replyTo("INVITE", 487, "Request Terminated", ""), seenPerhaps("INVITE"),
		seenPerhaps("CANCEL"), expect("ACK"))
}

// request sends a request in the dialog and waits for the response to it.
func request(method string, code int, body string, headers ...string) step {
	return steps(unanswered(method, body, headers...), response(code))
}

// unanswered sends a request without waiting.
func unanswered(method, body string, headers ...string) step {
	return func(w *scene) {
		w.cseq++
		w.sendRequest(method, w.cseq, true, body, headers...)
	}
}

func (w *scene) sendRequest(method string, cseq int, again bool, body string, headers ...string) {
	w.send(again, append([]string{
		method + " [$target] SIP/2.0",
		"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
		"From:[$INVITETo]" + ourTag, "To:[$INVITEFrom]", "Call-ID: [call_id]",
		fmt.Sprintf("CSeq: %d %s", cseq, method), "Max-Forwards: 70", contact,
	}, headers...), body)
}

// response waits for a final response.
func response(code int) step {
	return func(w *scene) {
		w.line(`<recv response="100" optional="true"/>`)
		w.line(`<recv response="%d"/>`, code)
	}
}

// acknowledge is the ACK of a response to the carrier's own INVITE.
func acknowledge(body string) step {
	return func(w *scene) { w.sendRequest("ACK", w.cseq, false, body) }
}

// bye hangs up.
func bye(headers ...string) step { return request("BYE", 200, "", headers...) }

// pause does nothing for a time.
func pause(milliseconds int) step {
	return func(w *scene) { w.line(`<pause milliseconds="%d"/>`, milliseconds) }
}

// Descriptions: of a call, of a call on hold.
const (
	sdp = `v=0
o=carrier 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio 9 RTP/AVP 0
a=rtpmap:0 PCMU/8000`

	held = sdp + "\na=sendonly"
)
