package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNoBody is the most bytes that a request may send where there is nothing to say. Some
// clients cannot send a POST without a body.
const maxNoBody = 4 << 10

// body is the body of a request, to be read once. Every error of it but io.EOF is a
// *problem, which decoders may wrap: it is too large, too slow or encoded, or does not come
// to its end. What is known beforehand is refused before a byte is read.
func (a *api) body(w http.ResponseWriter, r *request) io.Reader {
	return a.limitedBody(w, r, a.cfg.MaxBody)
}

// leastRate is how many bytes a second of a body must come on average, behind the first
// BodyTimeout: about what a poor mobile connection sends. A body of DefaultMaxBody can
// take a quarter of an hour.
const leastRate = 32 << 10

func (a *api) limitedBody(w http.ResponseWriter, r *request, limit int64) io.Reader {
	if p := identityOnly(r); p != nil {
		return &bodyReader{err: p}
	}
	if r.ContentLength > limit {
		return &bodyReader{err: tooLarge(limit)}
	}
	b := &bodyReader{
		rc:  http.NewResponseController(w),
		src: http.MaxBytesReader(w, r.Body, limit), limit: limit,
		holding: r.holding, weight: 1, patience: a.cfg.BodyTimeout, begun: time.Now(),
	}
	b.wait()
	return b
}

// bodyReader turns what goes wrong with reading into problems.
type bodyReader struct {
	rc    *http.ResponseController
	src   io.Reader
	limit int64 // bytes
	err   error

	holding *holding
	weight  int64 // how often each byte is held

	patience time.Duration // for the next piece
	begun    time.Time
	came     int64
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.came > 0 {
		b.wait()
	}
	n, err := b.src.Read(p)
	b.came += int64(n)
	switch {
	case !b.holding.take(int64(n) * b.weight):
		n, b.err = 0, overloaded()
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		// The connection serves the next request, at its own pace.
		b.deadline(time.Time{})
		b.err = io.EOF
	default:
		b.err = cmp.Or(bodyProblem(err), brokenBody())
	}
	return n, b.err
}

// wait gives the next piece its time, as far as the pieces before it came fast enough. Who
// sends at a steady rate comes to the end however long that takes, and who sends a byte now and
// then does not.
func (b *bodyReader) wait() {
	all := b.begun.Add(time.Duration(float64(b.came) / leastRate * float64(time.Second)))
	b.deadline(earlier(time.Now(), all).Add(b.patience))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// deadline is set where the server can. Where it cannot, as under a recorder of tests,
// there is no connection to wait for.
func (b *bodyReader) deadline(t time.Time) {
	_ = b.rc.SetReadDeadline(t)
}

// bodyProblem is the answer to an error of reading a body, through whatever has wrapped it.
// Nil: the error is no such one, the body came but is not what it should be.
func bodyProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{
			status: http.StatusRequestTimeout, code: CodeTimeout, title: "Request timeout",
			message: "The body did not come in time.", closing: true,
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &problem{
			status: http.StatusBadRequest, code: CodeInvalidJSON, title: "Incomplete body",
			message: "The body ends too early.",
		}
	}
	return nil
}

// brokenBody is one that breaks HTTP's own rules, in its chunks for example, or whose
// sender went away. What else comes over the connection is anybody's guess.
func brokenBody() *problem {
	return &problem{
		status: http.StatusBadRequest, code: CodeInvalidJSON, title: "Broken body",
		message: "The body could not be read to its end.", closing: true,
	}
}

func tooLarge(limit int64) *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: CodeBodyTooLarge, title: "Body too large",
		message: fmt.Sprintf("The body may have %d bytes at most.", limit), closing: true,
	}
}

// identityOnly refuses compressed bodies: a few bytes of those can stand for gigabytes.
func identityOnly(r *request) *problem {
	for _, coding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return &problem{
				status: http.StatusUnsupportedMediaType, code: CodeMediaType, title: "Unsupported encoding",
				message: "The body must be sent as it is, without a Content-Encoding.", closing: true,
				// RFC 9110, section 15.5.16: this tells it from a wrong media type.
				header: http.Header{"Accept-Encoding": {"identity"}},
			}
		}
	}
	return nil
}

// contentType is the media type of the body, in lower case, one of those accepted.
func contentType(r *request, accepted ...string) (string, *problem) {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return "", mediaType(accepted)
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return "", mediaType(accepted)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", mediaType(accepted)
	}
	if !slices.Contains(accepted, media) {
		return "", mediaType(accepted)
	}
	return media, nil
}

func mediaType(accepted []string) *problem {
	return &problem{
		status: http.StatusUnsupportedMediaType, code: CodeMediaType, title: "Unsupported media type",
		message: "Expected one Content-Type of: " + strings.Join(accepted, ", ") + ", in UTF-8.",
		header:  http.Header{"Accept": {strings.Join(accepted, ", ")}},
	}
}

// noBody checks a request that has nothing to say: its body is empty or a JSON object, whose
// members are ignored as unknown ones are everywhere.
func (a *api) noBody(w http.ResponseWriter, r *request) *problem {
	if r.ContentLength == 0 {
		return nil
	}
	data, err := io.ReadAll(a.limitedBody(w, r, min(maxNoBody, a.cfg.MaxBody)))
	if err != nil {
		return cmp.Or(bodyProblem(err), brokenBody())
	}
	if len(data) == 0 {
		return nil
	}
	if v := jsontext.Value(data); v.IsValid() && v.Kind() == jsontext.KindBeginObject {
		return nil
	}
	return &problem{
		status: http.StatusBadRequest, code: CodeInvalidJSON, title: "Invalid body",
		message: "The body must be empty or a JSON object.",
	}
}
