package twiliotest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// document is the TwiML of a call.
type document struct {
	Connect struct {
		Stream struct {
			URL        string `xml:"url,attr"`
			Parameters []struct {
				Name  string `xml:"name,attr"`
				Value string `xml:"value,attr"`
			} `xml:"Parameter"`
		} `xml:"Stream"`
	} `xml:"Connect"`
}

// stream is what the document has Twilio do. When it is over, so is the call, unless the fault
// says otherwise.
func (c *call) stream() {
	var d document
	if err := xml.Unmarshal([]byte(c.form.Get("Twiml")), &d); err != nil || c.behaves.Stream.Never {
		return
	}
	parameters := map[string]string{}
	for _, p := range d.Connect.Stream.Parameters {
		parameters[p.Name] = p.Value
	}
	if f := c.behaves.Stream; f.Spoilt {
		for name := range parameters {
			if name != "call" {
				parameters[name] = strings.Repeat("x", len(parameters[name]))
			}
		}
	} else if f.Twice {
		c.twilio.background(func() {
			c.twilio.sleep(5 * c.twilio.config.MediaEvery)
			c.connect(d.Connect.Stream.URL, parameters, func() {})
		})
	}
	c.connect(d.Connect.Stream.URL, parameters, func() { close(c.streams) })
}

// connect is one connection. over is called when the other side has ended it, or it never was.
func (c *call) connect(address string, parameters map[string]string, over func()) {
	header := http.Header{"X-Twilio-Signature": {Sign(c.twilio.config.AuthToken, address, nil)}}
	//nolint:bodyclose // there is no need to, says Dial
	conn, _, err := websocket.Dial(c.twilio.ctx, address, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		over()
		return
	}
	defer conn.CloseNow() //nolint:errcheck // it is gone
	s := &stream{call: c, conn: conn, sid: "MZ" + c.sid[2:]}
	if s.talk(parameters) {
		over()
	}
}

type stream struct {
	call *call
	conn *websocket.Conn
	sid  string

	mu       sync.Mutex
	sequence int
}

// send leaves it to the reader of the connection to find out that it is gone.
func (s *stream) send(ctx context.Context, event string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[string]any{"event": event}
	if event != "connected" {
		s.sequence++
		m["streamSid"], m["sequenceNumber"] = s.sid, strconv.Itoa(s.sequence)
	}
	maps.Copy(m, fields)
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	s.conn.Write(ctx, websocket.MessageText, body) //nolint:errcheck,gosec // see above
}

// talk is true if the other side ended the stream.
func (s *stream) talk(parameters map[string]string) bool {
	ctx, cancel := context.WithCancel(s.call.twilio.ctx)
	defer cancel()
	account := s.call.twilio.config.AccountSID
	stops := s.call.behaves.Stream.Stops
	if stops == Opened {
		return true
	}
	s.send(ctx, "connected", map[string]any{"protocol": "Call", "version": "1.0.0"})
	switch stops {
	case Connected:
		return true
	case HalfStart:
		//nolint:errcheck,gosec // see send
		s.conn.Write(ctx, websocket.MessageText, []byte(`{"event":"start","start":{"callSid":`))
		return true
	case "", Opened, Started:
	}
	s.send(ctx, "start", map[string]any{"start": map[string]any{
		"accountSid": account, "streamSid": s.sid, "callSid": s.call.sid, "tracks": []string{"inbound"},
		"mediaFormat":      map[string]any{"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
		"customParameters": parameters,
	}})
	if stops == Started {
		return true
	}
	over := make(chan struct{})
	s.call.twilio.background(func() {
		defer close(over)
		s.hear(ctx)
	})
	return s.speak(ctx, over)
}

// hear takes what the other side sends: audio is played at once, so marks come back at once.
func (s *stream) hear(ctx context.Context) {
	for {
		_, body, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		var m struct {
			Event string         `json:"event"`
			Mark  map[string]any `json:"mark"`
		}
		err = json.Unmarshal(body, &m)
		s.call.twilio.hear(m.Event)
		switch {
		case err != nil || (m.Event != "media" && m.Event != "mark" && m.Event != "clear"):
			//nolint:gosec // it is over
			s.conn.Close(websocket.StatusProtocolError, "")
			return
		case m.Event == "mark":
			s.send(ctx, "mark", map[string]any{"mark": m.Mark})
		}
	}
}

func (s *stream) speak(ctx context.Context, over <-chan struct{}) bool {
	f := s.call.behaves.Stream
	every := time.NewTicker(s.call.twilio.config.MediaEvery)
	defer every.Stop()
	begun := time.Now()
	for chunk := 1; ; chunk++ {
		select {
		case <-over:
			return true
		case <-ctx.Done():
			return false
		case <-every.C:
		}
		since := time.Since(begun)
		switch {
		case f.BreakAt > 0 && since > f.BreakAt:
			s.conn.CloseNow() //nolint:errcheck,gosec // it is to break
			return false
		case s.call.isOver():
			if !f.NoStop {
				s.send(ctx, "stop", map[string]any{"stop": map[string]any{
					"accountSid": s.call.twilio.config.AccountSID, "callSid": s.call.sid,
				}})
				s.conn.Close(websocket.StatusNormalClosure, "") //nolint:gosec // it is over
			}
			return false
		case f.MuteAt > 0 && since > f.MuteAt:
		default:
			s.send(ctx, "media", map[string]any{"media": map[string]any{
				"track": "inbound", "chunk": strconv.Itoa(chunk), "timestamp": strconv.FormatInt(since.Milliseconds(), 10),
				"payload": "/////w==",
			}})
		}
	}
}
