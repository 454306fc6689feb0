package sip

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
)

// mostBytes is the longest message that is taken, as by sipgo.
const mostBytes = 65535

// outline is what is seen of a message before it is parsed.
type outline struct {
	head   int  // where the header ends; 0: not yet
	length int  // Content-Length; -1: there is none that can be read
	sound  bool // sipgo's parser takes every line of the header
	some   bool // there is a header
	counts bool // the last one is Content-Length
}

// outlineOf reads the header line by line. Lines may end with LF alone: sipgo's parser does not take that, so it
// is not sound.
func outlineOf(b []byte) outline {
	o := outline{length: -1, sound: true}
	for at := 0; ; {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			return o
		}
		line := b[at : at+end]
		first := at == 0
		at += end + 1
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		} else {
			o.sound = false
		}
		if len(line) == 0 && !first {
			o.head = at
			return o
		}
		o.look(line, first)
	}
}

// look takes one line of the header, without its end.
func (o *outline) look(line []byte, first bool) {
	if bytes.IndexByte(line, '\r') >= 0 {
		o.sound = false
	}
	if first {
		o.sound = o.sound && (isStatusLine(line) || isRequestLine(line))
		return
	}
	if isFolded(line) {
		o.sound = o.sound && o.some
		if o.counts {
			o.length, o.sound = -1, false
		}
		return
	}
	name, value, found := bytes.Cut(line, []byte(":"))
	if name = bytes.TrimSpace(name); !found || len(name) == 0 {
		o.sound = false
	}
	o.some, o.counts = true, isContentLength(name)
	if !o.counts {
		return
	}
	length, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
	if err != nil || o.length >= 0 && o.length != int(length) {
		o.length, o.sound = -1, false
		return
	}
	o.length = int(length)
}

func isFolded(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

func isContentLength(name []byte) bool { return isNamed(name, "Content-Length", 'l') }

const version, codeEnd = "SIP/2.0 ", len("SIP/2.0 200")

// isStatusLine says whether the line is what RFC 3261, section 7.2 asks for.
func isStatusLine(line []byte) bool {
	if len(line) <= codeEnd || string(line[:len(version)]) != version || line[codeEnd] != ' ' {
		return false
	}
	return isDigits(line[len(version):codeEnd]) && !isMistaken(line[codeEnd+1:])
}

// isMistaken says whether sipgo's parser takes a line with that phrase for the first one of a request.
func isMistaken(phrase []byte) bool {
	const sip = "SIP"
	return len(phrase) >= len(sip) && strings.EqualFold(string(phrase[:len(sip)]), sip) && bytes.IndexByte(phrase, ' ') < 0
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// looksLikeStart says whether a message may begin with the line: it is how the next message is found behind
// bytes that are none.
func looksLikeStart(line []byte) bool {
	const sip = "SIP/2.0"
	if len(line) < len(sip) {
		return false
	}
	return bytes.EqualFold(line[:len(sip)], []byte(sip)) || bytes.EqualFold(line[len(line)-len(sip):], []byte(sip))
}

// frames cuts what comes by a connection into messages (RFC 3261, section 18.3), so that one that cannot be read
// costs itself alone, and no connection with all its calls.
type frames struct {
	buffer []byte
	at     int // where begins what was not taken yet
	looked int // behind that, there is no end of a header up to here
	whole  int // so long is the message that begins there; 0: not known
}

// read takes what r has to give at once. It ends what next has returned.
func (f *frames) read(r io.Reader) error {
	const atOnce = 16 << 10 // a record of TLS
	f.buffer = slices.Grow(append(f.buffer[:0], f.buffer[f.at:]...), atOnce)
	kept := len(f.buffer)
	n, err := r.Read(f.buffer[kept:cap(f.buffer)])
	f.buffer, f.at = f.buffer[:kept+n], 0
	return err
}

// next returns a message as it came, with its outline, or what keeps the connection alive, which has none; nil: there
// is none as a whole.
func (f *frames) next() ([]byte, outline) {
	for f.at < len(f.buffer) {
		b := f.buffer[f.at:]
		if len(b) < f.whole {
			break
		}
		if n := keepAlive(b); n > 0 {
			return f.take(n), outline{}
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			f.wait()
			break
		}
		if !looksLikeStart(bytes.TrimRight(b[:end], "\r")) {
			f.take(end + 1)
			continue
		}
		var o outline
		if f.hasHeader(b) {
			o = outlineOf(b)
		}
		switch {
		case o.head == 0:
			f.wait()
			return nil, outline{}
		case o.length < 0 || o.length > mostBytes-o.head:
			// The next message tells where it ends. Nor is a length believed that no message may have: whoever errs
			// by so much would have all calls of the connection wait for what never comes.
			return f.take(o.head + untilStart(b[o.head:])), o
		case o.head+o.length > len(b):
			f.whole = o.head + o.length
			return nil, outline{}
		default:
			return f.take(o.head + o.length), o
		}
	}
	return nil, outline{}
}

func (f *frames) take(n int) []byte {
	begin := f.at
	f.at += n
	f.looked, f.whole = 0, 0
	return f.buffer[begin:f.at:f.at]
}

// hasHeader says whether a header may be whole, of which one that comes in many pieces is not looked through for
// each.
func (f *frames) hasHeader(b []byte) bool {
	const end = "\n\r\n"
	from := max(f.looked-len(end), 0)
	f.looked = len(b)
	if bytes.Contains(b[from:], []byte(end)) || bytes.Contains(b[from:], []byte("\n\n")) {
		f.looked = 0
		return true
	}
	return false
}

// wait waits for more, but not for a header that has become too long.
func (f *frames) wait() {
	if len(f.buffer)-f.at > mostBytes {
		f.at, f.looked = len(f.buffer), 0
	}
}

// keepAlive is the length of what is sent between messages (RFC 5626, section 3.5.1): one or two CRLF.
func keepAlive(b []byte) int {
	const crlf = "\r\n"
	n := 0
	for n < 2*len(crlf) && len(b)-n >= len(crlf) && string(b[n:n+len(crlf)]) == crlf {
		n += len(crlf)
	}
	return n
}

// untilStart is how many bytes there are before a line that a message may begin with, of which not all may be there.
func untilStart(b []byte) int {
	at := 0
	for at < len(b) {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			if mayBecomeStart(b[at:]) {
				return at
			}
			break
		}
		if looksLikeStart(bytes.TrimRight(b[at:at+end], "\r")) {
			return at
		}
		at += end + 1
	}
	return len(b)
}

// mayBecomeStart says whether a message may begin with the part of a line: a version, or a method and what is behind
// it. Methods are taken to be in capital letters, as all of the registry are, since the last line of a body may have no
// end, and is not to be put before the next message.
func mayBecomeStart(part []byte) bool {
	const sip = "SIP/2.0"
	if n := min(len(part), len(sip)); bytes.EqualFold(part[:n], []byte(sip[:n])) {
		return true
	}
	method, _, _ := bytes.Cut(part, []byte(" "))
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(method) > 0
}

// mended returns a whole message so that sipgo's parser takes it: raw itself, as nearly always, or one without the
// lines that are no header, and with the length that the body has, without which there is no message on a connection
// (RFC 3261, section 20.14). Nil: it is no message.
func mended(raw []byte, onStream bool) []byte {
	if n := keepAlive(raw); n > 0 {
		if n == len(raw) {
			return raw
		}
		return mended(raw[n:], onStream)
	}
	return mend(raw, outlineOf(raw), onStream)
}

// mend is mended for a message of which the outline is known.
func mend(raw []byte, o outline, onStream bool) []byte {
	if o.head == 0 {
		return nil
	}
	if o.sound && o.length <= len(raw)-o.head && (o.length >= 0 || !onStream) {
		return raw
	}
	body := raw[o.head:]
	if o.length >= 0 {
		body = body[:min(o.length, len(body))]
	}
	return rewritten(raw[:o.head], body)
}

func rewritten(head, body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(head) + len(body) + len("Content-Length: 65535\r\n"))
	kept := false
	first := true
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		line = bytes.ReplaceAll(bytes.TrimSuffix(line, []byte("\r")), []byte("\r"), []byte(" "))
		name, _, found := bytes.Cut(line, []byte(":"))
		switch name = bytes.TrimSpace(name); {
		case first:
			if line = startLine(line); line == nil {
				return nil
			}
			first = false
		case isFolded(line): // it belongs to the line before
		default:
			kept = found && len(name) > 0 && !isContentLength(name)
		}
		if kept || b.Len() == 0 {
			b.Write(line)
			b.WriteString("\r\n")
		}
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	b.Write(body)
	return b.Bytes()
}

// startLine is the first line as sipgo's parser takes it; nil: it is none.
func startLine(line []byte) []byte {
	if isStatusLine(line) || isRequestLine(line) {
		return line
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 || !bytes.EqualFold(fields[0], []byte("SIP/2.0")) || len(fields[1]) != 3 || !isDigits(fields[1]) {
		return nil
	}
	line = append([]byte(version+string(fields[1])+" "), bytes.Join(fields[2:], []byte(" "))...)
	if isMistaken(line[codeEnd+1:]) {
		line = append(line, ' ')
	}
	return line
}
