package fake_test

import (
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func openURL(t *testing.T, rawURL string) dialer.Dialer {
	t.Helper()
	d, err := dialer.Open(rawURL)
	require.NoError(t, err, rawURL)
	closer, ok := d.(io.Closer)
	require.True(t, ok)
	t.Cleanup(func() { require.NoError(t, closer.Close()) })
	return d
}

func TestOpen(t *testing.T) {
	t.Parallel()
	books := filepath.Join(t.TempDir(), "books")
	for _, rawURL := range []string{
		"fake:", "fake://", "fake://?", "fake:///", "fake://trunk-eu", "fake:?answer=1",
		"fake://?answer=0.62&busy=0.1&no_answer=0.1&failed=0.05&refused=0.1&unavailable=0.5&ring=3s&talk=45s" +
			"&seed=18446744073709551615&speed=10&channels=200&cps=20&burst=4&resume=false&books=" + books,
		"fake://?answer=0.62&busy=0.08&no_answer=0.25&failed=0.05",
	} {
		openURL(t, rawURL)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for rawURL, says := range map[string]string{
		"fake://?answr=1":                    "unknown parameter answr: expected any of seed, answer, busy",
		"fake://?answer=0.7&busy=0.4":        "answer=0.7, busy=0.4, no_answer=0, failed=0 and refused=0 are together 1.1: expected at most 1",
		"fake://?answer=1.5":                 "expected a number from 0 to 1",
		"fake://?answer=NaN":                 "expected a number from 0 to 1",
		"fake://?unavailable=2":              "expected a number from 0 to 1",
		"fake://?answer=1&answer=1":          "parameter answer is given 2 times",
		"fake://?ring=3":                     "expected a time",
		"fake://?talk=-1s":                   "expected a time",
		"fake://?seed=x":                     "expected a whole number",
		"fake://?speed=0":                    "expected more than 0",
		"fake://?resume=maybe":               "expected true or false",
		"fake://user:secret@trunk?answer=1":  "without path and user",
		"fake://:5060":                       "without path and user",
		"fake://trunk/path":                  "without path and user",
		"fake:trunk":                         "without path and user",
		"fake://?books=/no/such/directory/b": "opening the books",
	} {
		_, err := dialer.Open(rawURL)
		require.ErrorContains(t, err, says, rawURL)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestURLSaysWhatTheDialerIs(t *testing.T) {
	t.Parallel()
	d := openURL(t, "fake://?channels=200&cps=2.5&burst=3")
	require.Implements(t, (*dialer.Resumer)(nil), d)
	limiter, ok := d.(dialer.Limiter)
	require.True(t, ok)
	require.Equal(t, dialer.Limits{Channels: 200, CPS: 2.5, Burst: 3}, limiter.Limits())

	d = openURL(t, "fake://?resume=false")
	require.NotImplements(t, (*dialer.Resumer)(nil), d)
	require.Implements(t, (*dialer.Limiter)(nil), d)
}

func TestURLAnswerZeroMeansNobody(t *testing.T) {
	t.Parallel()
	d := openURL(t, "fake://?answer=0&ring=0")
	for i := range 100 {
		require.Equal(t, dialer.DialNoAnswer, dial(t.Context(), d, callTo(numberOf(i))).outcome.Reason)
	}
}

func TestURLHostIsTheTrunk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	d := openURL(t, "fake://trunk-eu?answer=1&ring=0&talk=0&books="+path)
	_ = dial(t.Context(), d, callTo(ada))
	books, err := fake.ReadBooks(path)
	require.NoError(t, err)
	require.Equal(t, 1, books.Rings(fake.Scope{Trunk: "trunk-eu"}))
}

func TestURLDefaultsTakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := dial(t.Context(), openURL(t, "fake://?answer=1&speed=10"), callTo(ada))
		require.InDelta(t, 4.8, r.took.Seconds(), 2.4)
	})
}
