package fake

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"github.com/outdial/outdial/dialer"
)

// What a carrier in a process of its own and a dialer say to each other: lines of JSON over one connection for
// each call. The dialer asks, the carrier answers with the stages and then the end. The dialer may ask for
// the call's end; one that closes the connection instead has let go of the call.

// maxLine holds a call with the largest metadata there is, and more.
const maxLine = 4 << 20

// ask is what a dialer sends: first what to do, later perhaps the end of the call.
type ask struct {
	Do     string           `json:"do"`
	Call   *dialer.Call     `json:"call,omitempty"`
	Reason dialer.EndReason `json:"reason,omitempty"`
}

const (
	askDial   = "dial"
	askResume = "resume"
	askProbe  = "probe"
	askHangUp = "hang_up"
)

// answer is what a carrier sends: one of these.
type answer struct {
	Progress *dialer.Progress `json:"progress,omitempty"`
	Outcome  *dialer.Outcome  `json:"outcome,omitempty"`
	Failure  *failure         `json:"failure,omitempty"`
}

// failure is an error of a dialer, as far as others act upon it.
type failure struct {
	Text        string        `json:"text"`
	NotPlaced   bool          `json:"not_placed,omitempty"`
	Unavailable bool          `json:"unavailable,omitempty"`
	After       time.Duration `json:"after,omitempty"`
	CallerOnly  bool          `json:"caller_only,omitempty"`
	AgentOnly   bool          `json:"agent_only,omitempty"`
	Unknown     bool          `json:"unknown,omitempty"`
	Detached    bool          `json:"detached,omitempty"`
}

func failureOf(err error) *failure {
	f := &failure{
		Text:      err.Error(),
		NotPlaced: errors.Is(err, dialer.ErrNotPlaced),
		Unknown:   errors.Is(err, dialer.ErrUnknownCall),
		Detached:  errors.Is(err, dialer.ErrDetached),
	}
	if busy, ok := errors.AsType[*dialer.UnavailableError](err); ok {
		f.Unavailable, f.After, f.CallerOnly, f.AgentOnly = true, busy.After, busy.CallerOnly, busy.AgentOnly
	}
	return f
}

// err is the error again, with the same text.
func (f *failure) err() error {
	e := &remoteError{text: f.Text}
	for kind, is := range map[error]bool{
		dialer.ErrNotPlaced: f.NotPlaced, dialer.ErrUnknownCall: f.Unknown, dialer.ErrDetached: f.Detached,
	} {
		if is {
			e.kinds = append(e.kinds, kind)
		}
	}
	if f.Unavailable {
		e.kinds = append(e.kinds, &dialer.UnavailableError{
			After: f.After, CallerOnly: f.CallerOnly, AgentOnly: f.AgentOnly,
		})
	}
	return e
}

type remoteError struct {
	text  string
	kinds []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.kinds }

var errLong = errors.New("the line is too long")

// readLine decodes the next line. One that was cut off is none.
func readLine(r *bufio.Reader, into any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return errLong
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		return json.Unmarshal(line, into)
	}
}

// writeLine sends one in one write.
func writeLine(c net.Conn, what any) error {
	line, err := json.Marshal(what)
	if err != nil {
		return err
	}
	_, err = c.Write(append(line, '\n'))
	return err
}
