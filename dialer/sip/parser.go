package sip

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"

	msg "github.com/emiago/sipgo/sip"
)

// lenient is the parser of all messages.
//
//nolint:gochecknoglobals // it is not changed
var lenient = newParser(msg.DefaultHeadersParser())

// newParser returns sipgo's parser, which takes a message though one of its headers cannot be read: an answered call
// is not to be lost for a Contact that is none. A panic at a header is no more than that: it may be made by anybody
// whom a trunk passes on.
func newParser(headers map[string]msg.HeaderParser) *msg.Parser {
	safe := map[string]msg.HeaderParser{}
	for name, parse := range headers {
		safe[name] = func(name []byte, value string) (h msg.Header, err error) {
			defer func() {
				if recover() != nil {
					h, err = instead(string(name), value), nil
				}
			}()
			h, err = parse(name, value)
			if err != nil && reflect.TypeOf(err) != commaError {
				return instead(string(name), value), nil
			}
			return h, err
		}
	}
	for _, name := range []string{"via", "v"} {
		if parse := safe[name]; parse != nil {
			safe[name] = viaParser(parse)
		}
	}
	if headers["cseq"] != nil {
		safe["cseq"] = parseCSeq
	}
	return msg.NewParser(msg.WithHeadersParsers(safe))
}

// commaError is the type of the error by which a parser says that there is another value behind a comma.
//
//nolint:gochecknoglobals // it is not changed
var commaError = func() reflect.Type {
	_, err := msg.DefaultHeadersParser()["route"]([]byte("route"), "<sip:a>,<sip:b>")
	return reflect.TypeOf(err)
}()

// instead is what stands for a header that cannot be read: the tag or the branch, where there is one, since the message
// is found by it. Any other one is not looked for under that name again, as sipgo would do.
func instead(name, value string) msg.Header {
	nobody := msg.Uri{Scheme: "sip", Host: "invalid.invalid"} // RFC 6761
	switch tag, branch := paramIn(value, "tag"), paramIn(value, "branch"); {
	case tag != "" && (name == "to" || name == "t"):
		return &msg.ToHeader{Address: nobody, Params: msg.HeaderParams{{K: "tag", V: tag}}}
	case tag != "" && (name == "from" || name == "f"):
		return &msg.FromHeader{Address: nobody, Params: msg.HeaderParams{{K: "tag", V: tag}}}
	case branch != "" && (name == "via" || name == "v"):
		return &msg.ViaHeader{
			ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: nobody.Host,
			Params: msg.HeaderParams{{K: "branch", V: branch}},
		}
	}
	return msg.NewHeader("Unreadable", value)
}

// paramIn looks for a parameter in a value that cannot be read.
func paramIn(value, name string) string {
	for param := range strings.SplitSeq(value, ";") {
		key, text, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			text, _, _ = strings.Cut(text, ",")
			return strings.Trim(text, " \t<>\"")
		}
	}
	return ""
}

// viaParser takes white space where RFC 3261, section 25.1 allows it, and sipgo does not. One that does not begin with
// a protocol cannot be read: sipgo would look for it in the next of the list, and take the branch of that one.
func viaParser(parse msg.HeaderParser) msg.HeaderParser {
	return func(name []byte, value string) (msg.Header, error) {
		h, err := parse(name, tightVia(value))
		if via, ok := h.(*msg.ViaHeader); ok {
			if !isToken(via.ProtocolName) {
				return instead(string(name), value), nil
			}
			for i, param := range via.Params {
				via.Params[i] = msg.HeaderKV{K: strings.TrimSpace(param.K), V: strings.TrimSpace(param.V)}
				if strings.EqualFold(via.Params[i].K, "branch") {
					via.Params[i].K = "branch"
				}
			}
		}
		return h, err
	}
}

// tightVia moves the white space around the slashes of the first Via to its front. It is as long as it was, since sipgo
// counts the bytes up to the next of the list.
func tightVia(value string) string {
	protocol, _, _ := strings.Cut(value, ";")
	if !strings.Contains(protocol, " /") && !strings.Contains(protocol, "/ ") {
		return value
	}
	tight := strings.Join(strings.Fields(strings.ReplaceAll(protocol, "/", " / ")), " ")
	tight = strings.ReplaceAll(tight, " / ", "/")
	return strings.Repeat(" ", len(protocol)-len(tight)) + tight + value[len(protocol):]
}

// parseCSeq reads a CSeq with any white space in it. A response is known by the method alone.
func parseCSeq(_ []byte, value string) (msg.Header, error) {
	digits, method, _ := strings.Cut(strings.TrimSpace(value), " ")
	if i := strings.IndexByte(digits, '\t'); i >= 0 {
		digits, method = digits[:i], digits[i:]+" "+method
	}
	const most = 1<<31 - 1 // RFC 3261, section 8.1.1.5
	method = strings.TrimSpace(method)
	if seq, err := strconv.ParseUint(digits, 10, 32); err == nil && seq <= most && isToken(method) {
		return &msg.CSeqHeader{SeqNo: uint32(seq), MethodName: msg.RequestMethod(method)}, nil
	}
	return msg.NewHeader("Unreadable", value), nil
}

// isRequestLine says whether sipgo's parser takes the line, at which it must not panic.
func isRequestLine(line []byte) (ok bool) {
	if len(line) >= len(version) && string(line[:len(version)]) == version {
		return false
	}
	return isPlainRequest(line) || looksLikeStart(line) && startsRequest(line)
}

// isPlainRequest says whether the line is one of which nothing has to be tried, as nearly always: all in it is
// spelled as RFC 3261, section 25.1 has it, and nothing that has to be escaped.
func isPlainRequest(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	uri, end, _ := bytes.Cut(rest, []byte(" "))
	scheme, rest, _ := bytes.Cut(uri, []byte(":"))
	if string(end) != "SIP/2.0" || string(scheme) != "sip" && string(scheme) != "sips" {
		return false
	}
	user, host, found := bytes.Cut(rest, []byte("@"))
	if !found {
		user, host = method, rest // without a user
	}
	host, params, _ := bytes.Cut(host, []byte(";"))
	host, port, found := bytes.Cut(host, []byte(":"))
	if found && (!isDigits(port) || len(port) > len("65535")) {
		return false
	}
	return isPlain(method, "") && isPlain(user, "") && isPlain(host, "") && (len(params) == 0 || isPlain(params, ";="))
}

// isPlain says whether there is a text, with nothing in it but letters, digits, a few marks, and those.
func isPlain(text []byte, others string) bool {
	for _, c := range text {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == '_':
		case strings.IndexByte(others, c) < 0:
			return false
		}
	}
	return len(text) > 0
}

// startsRequest says whether the parser takes the first line of a request, at which it must not panic.
func startsRequest(line []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m, err := msg.ParseMessage(append(bytes.Clone(line), "\r\n\r\n"...))
	_, isRequest := m.(*msg.Request)
	return err == nil && isRequest
}

// parseResponse reads a whole message. Nil: it is no response that can be read.
func parseResponse(raw []byte) (res *msg.Response) {
	defer func() {
		if recover() != nil {
			res = nil
		}
	}()
	m, err := lenient.ParseSIP(raw)
	if err != nil {
		return nil
	}
	res, _ = m.(*msg.Response)
	return res
}
