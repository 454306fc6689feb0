package sip

import (
	"bytes"
	"errors"

	msg "github.com/emiago/sipgo/sip"
)

var errParser = errors.New("the parser fails at a header")

// newParser returns sipgo's parser, in which a panic at a header is an error. On a connection it would end the
// process, at a message that anybody may have made whom a trunk passes on.
func newParser(headers map[string]msg.HeaderParser) *msg.Parser {
	safe := map[string]msg.HeaderParser{}
	for name, parse := range headers {
		safe[name] = func(name []byte, value string) (h msg.Header, err error) {
			defer func() {
				if recover() != nil {
					h, err = nil, errParser
				}
			}()
			return parse(name, value)
		}
	}
	return msg.NewParser(msg.WithHeadersParsers(safe))
}

// harmless says whether the parser survives the first line of a request. That of a response is two numbers.
func harmless(b []byte) (ok bool) {
	line, _, found := bytes.Cut(b, []byte("\r\n"))
	if !found || bytes.HasPrefix(line, []byte("SIP/2.0 ")) {
		return true
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	//nolint:errcheck,gosec // whether it can be read is not asked
	msg.ParseMessage(append(bytes.Clone(line), "\r\n\r\n"...))
	return true
}

// parseResponse reads a whole message. Nil: it is no response that can be read.
func parseResponse(raw []byte) (res *msg.Response) {
	defer func() {
		if recover() != nil {
			res = nil
		}
	}()
	m, err := msg.ParseMessage(raw)
	if err != nil {
		return nil
	}
	res, _ = m.(*msg.Response)
	return res
}
