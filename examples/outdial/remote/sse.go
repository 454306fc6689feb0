package remote

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// event is one of a stream of events, as of the HTML standard, section 9.2.6.
type event struct {
	id    string        // the latest that was given
	name  string        // empty: message
	data  string        // empty: there is no event, only a delay
	retry time.Duration // 0: not given
}

// The longest line of a stream that is read, far above what a recipient needs, and the longest
// delay that a server can ask for.
const (
	mostLine  = 4 << 20
	mostDelay = 30 * time.Second
)

// readEvents hands each event of a stream to take, until the stream ends or take returns an error.
// What the stream ends in the middle of is no event.
func readEvents(r io.Reader, take func(event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, mostLine)
	lines.Split(splitLines)
	e, first := event{}, true
	for lines.Scan() {
		line := lines.Text()
		if first {
			line, first = strings.TrimPrefix(line, "\ufeff"), false
		}
		if line != "" {
			e.field(line)
			continue
		}
		e.data = strings.TrimSuffix(e.data, "\n")
		if err := take(e); err != nil {
			return err
		}
		e = event{id: e.id}
	}
	return lines.Err()
}

// field takes a line: a name, a colon and a value. One that begins with the colon is a comment.
func (e *event) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		e.name = value
	case "data":
		e.data += value + "\n"
	case "id":
		if !strings.Contains(value, "\x00") {
			e.id = value
		}
	case "retry":
		if ms, err := strconv.Atoi(value); err == nil && ms >= 0 {
			e.retry = min(max(time.Duration(ms)*time.Millisecond, time.Millisecond), mostDelay)
		}
	}
}

// splitLines is a bufio.SplitFunc for lines that end with CR, LF or both. Behind a CR it is waited
// for what follows, which may be its LF.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF:
		return len(data), nil, nil // without its end it is no line
	case i < 0:
		return 0, nil, nil
	case data[i] == '\r' && i+1 == len(data) && !atEOF:
		return 0, nil, nil
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}
