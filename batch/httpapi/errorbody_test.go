package httpapi

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
)

// written is the body that a problem is answered with.
func written(t *testing.T, p *problem) (*httptest.ResponseRecorder, errorBody) {
	t.Helper()
	w := httptest.NewRecorder()
	require.NoError(t, p.write(w, "an id"))
	var b errorBody
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &b))
	return w, b
}

func TestAtMostAHundredErrorsAreListed(t *testing.T) {
	t.Parallel()
	for n, more := range map[int]string{1: "", 100: "", 101: "and 1 more error", 5000: "and 4900 more errors"} {
		fields := make([]batch.FieldError, n)
		for i := range fields {
			fields[i] = batch.FieldError{Path: "recipients[" + strconv.Itoa(i) + "].to_number", Message: "expected a number"}
		}
		_, b := written(t, invalid(fields...))
		require.Equal(t, "recipients[0].to_number", b.Errors[0].Path)
		if more == "" {
			require.Len(t, b.Errors, n)
			continue
		}
		require.Len(t, b.Errors, maxErrors+1)
		require.Equal(t, fieldError{Message: more}, b.Errors[maxErrors])
	}
}

func TestAnErrorIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 1<<20)
	fields := make([]batch.FieldError, 1000)
	for i := range fields {
		fields[i] = batch.FieldError{Path: long, Message: "x" + long}
	}
	w, b := written(t, &problem{status: 400, code: CodeInvalidRequest, title: "Invalid", message: long, fields: fields})
	require.Less(t, w.Body.Len(), 80<<10)
	for _, s := range []string{b.Message, b.Errors[0].Path, b.Errors[0].Message} {
		require.True(t, utf8.ValidString(s))
		require.NotContains(t, s, string(utf8.RuneError))
	}
}

func TestAnErrorIsJSONWhateverTheClientSent(t *testing.T) {
	t.Parallel()
	_, b := written(t, invalid(batch.FieldError{Path: "\xff\x00</script>", Message: "\xc3"}))
	require.Equal(t, "�\x00</script>", b.Errors[0].Path)
}

func TestRetryAfterIsInWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Minute: "5400", 0: "",
	} {
		w, _ := written(t, &problem{status: 429, code: CodeRateLimited, retryAfter: wait})
		require.Equal(t, want, w.Header().Get("Retry-After"))
	}
}
