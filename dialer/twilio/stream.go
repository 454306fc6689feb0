package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/dialer"
)

const (
	// maxFromTwilio is more than the start of a stream with all its parameters.
	maxFromTwilio = 64 << 10

	// openingTime is how long Twilio may take to say which call a stream belongs to.
	openingTime = 10 * time.Second

	// partTime is how long the other side may take to let go of a connection.
	partTime = time.Second
)

// opening is how a stream begins.
type opening struct {
	connected, start []byte // the messages, for the agent
	streamSID        string
	callSID, callID  string
	token            string
}

// serveStream takes a stream from Twilio, and stays until it is over.
func (d *Dialer) serveStream(w http.ResponseWriter, r *http.Request, of reference) {
	signed := signatureOf(r.Header.Get(signatureHeader), nil)
	for _, x := range d.line() {
		if key := x.streamSigner(of, signed); key != "" {
			x.takeStream(w, r, of, key)
			return
		}
	}
	d.log.WarnContext(r.Context(), "twilio: a stream is not signed by Twilio for the public URL")
	http.Error(w, "the signature is not valid", http.StatusForbidden)
}

// takeStream takes a stream that is signed by a key of d.
func (d *Dialer) takeStream(w http.ResponseWriter, r *http.Request, of reference, key string) {
	leave, ok := d.join()
	if !ok {
		http.Error(w, errClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer leave()
	isPassedOn, ok := d.passedOn(r, d.streamURL(of))
	if !ok {
		http.Error(w, "the mark of being passed on is not valid", http.StatusForbidden)
		return
	}
	isElsewhere := of.call != "" && !d.calls.knows(of.call)
	if isElsewhere && d.elsewhere(w, d.stamped(r, d.streamURL(of), key), of, isPassedOn) {
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer conn.CloseNow() //nolint:errcheck // it is gone, whatever it says
	conn.SetReadLimit(maxFromTwilio)
	//nolint:contextcheck // the request's context ends with its connection; a stream ends with the dialer
	o, err := readOpening(d.ctx, conn)
	if err != nil {
		d.log.WarnContext(r.Context(), "twilio: a stream was refused", "error", err)
		part(r.Context(), conn, websocket.StatusPolicyViolation)
		return
	}
	d.admit(conn, o) //nolint:contextcheck // as above
}

// join makes Close wait for the stream.
func (d *Dialer) join() (func(), bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed {
		return nil, false
	}
	d.streams.Add(1)
	return d.streams.Done, true
}

// streamSigner returns the key that a stream is signed by, or "". It is generous about the form of the address, on
// which Twilio's products differ. Every form is ours, and the token in the stream decides.
func (d *Dialer) streamSigner(of reference, signed signature) string {
	address := d.streamURL(of)
	for _, a := range []string{address, address + "/", d.publicURL(of, streamPath)} {
		if key := signed.signer(d.keys, a); key != "" {
			return key
		}
	}
	return ""
}

// readOpening reads what Twilio says first: connected, then start.
func readOpening(ctx context.Context, conn *websocket.Conn) (opening, error) {
	ctx, cancel := context.WithTimeout(ctx, openingTime)
	defer cancel()
	var o opening
	for {
		kind, message, err := conn.Read(ctx)
		switch {
		case err != nil:
			return opening{}, fmt.Errorf("it ended before it began: %w", err)
		case kind != websocket.MessageText:
			return opening{}, errors.New("it began with a binary message")
		}
		switch eventIn(message) {
		case "connected":
			o.connected = message
		case "start":
			err := o.read(message)
			return o, err
		default:
			return opening{}, errors.New("it began with neither connected nor start")
		}
	}
}

// eventIn is the kind of a message of Media Streams.
func eventIn(message []byte) string {
	var m struct {
		Event string `json:"event"`
	}
	if json.Unmarshal(message, &m) != nil {
		return ""
	}
	return m.Event
}

// read takes the token out of the message: it is for us.
func (o *opening) read(message []byte) error {
	whole, start, parameters := map[string]json.RawMessage{}, map[string]json.RawMessage{}, map[string]string{}
	err := errors.Join(json.Unmarshal(message, &whole), json.Unmarshal(whole["start"], &start))
	if err == nil && len(start["customParameters"]) > 0 {
		err = json.Unmarshal(start["customParameters"], &parameters)
	}
	if err == nil {
		err = errors.Join(
			json.Unmarshal(start["callSid"], &o.callSID), json.Unmarshal(start["streamSid"], &o.streamSID))
	}
	if err != nil {
		return fmt.Errorf("its start cannot be read: %w", err)
	}
	o.callID, o.token = parameters[callParameter], parameters[tokenName]
	delete(parameters, tokenName)
	if start["customParameters"], err = json.Marshal(parameters); err != nil {
		return err
	}
	if whole["start"], err = json.Marshal(start); err != nil {
		return err
	}
	o.start, err = json.Marshal(whole)
	return err
}

// admit finds whose stream it is, and connects it.
func (d *Dialer) admit(conn *websocket.Conn, o opening) {
	call, a, err := d.owner(o)
	if err != nil {
		d.log.WarnContext(d.ctx, "twilio: a stream was refused", "call", o.callID, "sid", o.callSID, "error", err)
		part(d.ctx, conn, websocket.StatusPolicyViolation)
		return
	}
	p := &relay{config: d.config.Agent, twilio: conn, opening: o, played: make(chan struct{})}
	p.closing = a.closing
	p.reached = func(ok bool) { d.agents.note(call.Agent.URL, !ok) }
	ctx, unplug := context.WithCancel(d.ctx)
	defer unplug()
	a.plugged(unplug)
	defer a.streamed()
	p.serve(ctx, call)
}

// owner is the call that a stream belongs to, if it may have one.
func (d *Dialer) owner(o opening) (dialer.Call, *attempt, error) {
	agentURL, ok := d.tokens.open(o.callID, o.token)
	if !ok || !callSID.MatchString(o.callSID) {
		return dialer.Call{}, nil, errors.New("its token is not that of a call")
	}
	a, sid, isOver := d.calls.find(o.callID)
	switch {
	case a != nil && a.claim(o.callSID):
		d.calls.note(o.callSID, o.callID)
		call := a.call
		if call.Agent.URL == "" { // whoever resumed it did not know
			call.Agent.URL = agentURL
		}
		return call, a, nil
	case a != nil:
		if k, _ := a.look(); k.sid != o.callSID {
			d.reap(o.callSID)
		}
		return dialer.Call{}, nil, errors.New("the call has its stream, or is over")
	case isOver:
		if sid != o.callSID {
			d.reap(o.callSID)
		}
		return dialer.Call{}, nil, dialer.ErrOver
	}
	return dialer.Call{}, nil, errNotHere
}

// part closes a connection, and returns when it is gone. Package websocket gives the other side five seconds to
// answer, and more to one that stops in the middle of a message; CloseNow does nothing about that once a
// connection is being closed. A Read whose context ends does.
func part(ctx context.Context, conn *websocket.Conn, status websocket.StatusCode) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTime)
	defer cancel()
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	})
	conn.Close(status, "") //nolint:gosec // it is gone, whatever it says
	reader.Wait()
}

// markOf is a message that Twilio returns when what was sent before it was played.
func markOf(streamSID string) []byte {
	sid, _ := json.Marshal(streamSID) //nolint:errchkjson // a string
	return []byte(`{"event":"mark","streamSid":` + string(sid) + `,"mark":{"name":"` + lastMark + `"}}`)
}

const lastMark = "outdial-last"

func isLastMark(message []byte) bool { return strings.Contains(string(message), lastMark) }
