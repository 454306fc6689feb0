package bridge

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// incoming is a message of the agent's.
//
//nolint:tagliatelle // the names are Twilio's
type incoming struct {
	Event     string `json:"event"`
	StreamSid string `json:"streamSid"`
	Media     *struct {
		Payload []byte `json:"payload"` // base64
	} `json:"media"`
	Mark *struct {
		Name string `json:"name"`
	} `json:"mark"`
}

// oddError is a message that has no meaning here, and does no harm.
type oddError struct{ what string }

func (e *oddError) Error() string { return "the agent sent " + e.what }

// parse takes a message of the agent's of stream sid. The error says what is wrong with it: an
// [oddError] where it can be passed over.
func parse(message []byte, sid string) (incoming, error) {
	var in incoming
	if err := json.Unmarshal(message, &in); err != nil {
		return incoming{}, fmt.Errorf("the agent sent a message that cannot be read: %w", err)
	}
	switch {
	case in.StreamSid != "" && in.StreamSid != sid:
		return incoming{}, &oddError{"a message for another stream"}
	case in.Event == "media" && in.Media == nil:
		return incoming{}, &oddError{"media without a payload"}
	case in.Event == "mark" && (in.Mark == nil || in.Mark.Name == ""):
		return incoming{}, &oddError{"a mark without a name"}
	case in.Event != "media" && in.Event != "mark" && in.Event != "clear":
		return incoming{}, &oddError{fmt.Sprintf("%.40q: expected media, mark or clear", in.Event)}
	}
	return in, nil
}

// outgoing is a message to the agent. The fields of other events are nil.
//
//nolint:tagliatelle // the names are Twilio's
type outgoing struct {
	Event    string `json:"event"`
	Protocol string `json:"protocol,omitempty"`
	Version  string `json:"version,omitempty"`

	SequenceNumber string `json:"sequenceNumber,omitempty"`
	StreamSid      string `json:"streamSid,omitempty"`

	Start *start `json:"start,omitempty"`
	DTMF  *dtmf  `json:"dtmf,omitempty"`
	Mark  *mark  `json:"mark,omitempty"`
	Stop  *stop  `json:"stop,omitempty"`
}

//nolint:tagliatelle // the names are Twilio's
type start struct {
	AccountSid       string            `json:"accountSid"`
	StreamSid        string            `json:"streamSid"`
	CallSid          string            `json:"callSid"`
	Tracks           []string          `json:"tracks"`
	MediaFormat      mediaFormat       `json:"mediaFormat"`
	CustomParameters map[string]string `json:"customParameters"`
}

//nolint:tagliatelle // the names are Twilio's
type mediaFormat struct {
	Encoding   string `json:"encoding"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
}

type dtmf struct {
	Track string `json:"track"`
	Digit string `json:"digit"`
}

type mark struct {
	Name string `json:"name"`
}

//nolint:tagliatelle // the names are Twilio's
type stop struct {
	AccountSid string `json:"accountSid"`
	CallSid    string `json:"callSid"`
}

func connectedMessage() outgoing {
	return outgoing{Event: "connected", Protocol: "Call", Version: "1.0.0"}
}

func startMessage(call dialer.Call, sid string) outgoing {
	return outgoing{Event: "start", Start: &start{
		AccountSid: call.Org, StreamSid: sid, CallSid: call.ID, Tracks: []string{"inbound"},
		MediaFormat:      mediaFormat{Encoding: "audio/x-mulaw", SampleRate: media.SampleRate, Channels: 1},
		CustomParameters: dialer.Parameters(call),
	}}
}

func dtmfMessage(key rune) outgoing {
	return outgoing{Event: "dtmf", DTMF: &dtmf{Track: "inbound_track", Digit: string(key)}}
}

func markMessage(name string) outgoing { return outgoing{Event: "mark", Mark: &mark{Name: name}} }

func stopMessage(call dialer.Call) outgoing {
	return outgoing{Event: "stop", Stop: &stop{AccountSid: call.Org, CallSid: call.ID}}
}

// appendMedia writes the one message that is sent fifty times a second, without reflection.
// chunk counts from 1; its timestamp is when it began, in milliseconds of the stream.
func appendMedia(b []byte, sid string, sequence, chunk int, audio []byte) []byte {
	b = append(b, `{"event":"media","sequenceNumber":"`...)
	b = strconv.AppendInt(b, int64(sequence), 10)
	b = append(b, `","streamSid":"`...)
	b = append(b, sid...) // hexadecimal digits: nothing to escape
	b = append(b, `","media":{"track":"inbound","chunk":"`...)
	b = strconv.AppendInt(b, int64(chunk), 10)
	b = append(b, `","timestamp":"`...)
	b = strconv.AppendInt(b, int64(chunk-1)*media.FrameTime.Milliseconds(), 10)
	b = append(b, `","payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, audio)
	return append(b, `"}}`...)
}
