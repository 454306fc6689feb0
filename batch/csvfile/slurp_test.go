package csvfile_test

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
)

func TestFilesOfEverySizeAreReadWhole(t *testing.T) {
	for _, notes := range []int{0, 1, 4000, 4096, 8192, 100_000, 1 << 20, 3<<20 + 7} {
		note := strings.Repeat("x", notes)
		text := "to_number,note\n+14155550100," + note + "\n"
		o := csvfile.Options{MaxMetadata: 4 << 20}
		for _, r := range []io.Reader{
			strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text)),
		} {
			f, err := csvfile.Read(r, o)
			require.NoError(t, err)
			require.JSONEq(t, `{"note":"`+note+`"}`, string(f.Recipients[0].Metadata))
		}
	}
}

func TestAFileThatBreaksOffIsNotTheWhole(t *testing.T) {
	cut := io.MultiReader(strings.NewReader("to_number\n+14155550100\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err := csvfile.Read(cut, csvfile.Options{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// stall measures what is held when n bytes have come, and ends in an error.
type stall struct {
	n    int
	held uint64
}

func (s *stall) Read(p []byte) (int, error) {
	if s.n == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.held = m.HeapAlloc
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), s.n)
	s.n -= n
	return n, nil
}

func TestAFileThatComesSlowlyIsHeldOnce(t *testing.T) {
	const size = 24 << 20
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	s := &stall{n: size}
	_, err := csvfile.Read(s, csvfile.Options{})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Less(t, s.held-before.HeapAlloc, uint64(size+2<<20))
}

// A name of a column stands in the metadata of each row, so a short file can stand for gigabytes.
func TestTheMetadataOfAllRowsIsBounded(t *testing.T) {
	text := "to_number," + strings.Repeat("n", 1<<19) + "\n" + strings.Repeat("+14155550100,\n", 5000)
	for _, o := range []csvfile.Options{{MaxBytes: 4 << 20}, {MaxBytes: 4 << 20, Dedupe: true}, {MaxBytes: 4 << 20, SkipBad: true, MaxMetadata: 1}} {
		_, err := csvfile.Read(strings.NewReader(text), o)
		var invalid *csvfile.InvalidError
		require.ErrorAs(t, err, &invalid)
		last := invalid.Problems[len(invalid.Problems)-1]
		require.Equal(t, csvfile.CodeTooLarge, last.Code)
		require.Equal(t, 9, last.Line, "the first seven rows fit")
	}
}
