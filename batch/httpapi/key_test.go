package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

func keyed(values ...string) *http.Request {
	return &http.Request{Header: http.Header{keyHeader: values}}
}

func TestIdempotencyKey(t *testing.T) {
	for value, want := range map[string]string{
		`abc`:                                    "abc",
		`"abc"`:                                  "abc", // the same key, as the draft spells it
		`a\b`:                                    `a\b`,
		`"a\\b"`:                                 `a\b`,
		`"a\"b"`:                                 `a"b`,
		`"a b"`:                                  "a b",
		`"a;b"`:                                  "a;b",
		`"a, b"`:                                 "a, b",
		`" "`:                                    " ",
		`8e03978e-40d5-43e8-bc93-6894a57f9324`:   "8e03978e-40d5-43e8-bc93-6894a57f9324",
		`"8e03978e-40d5-43e8-bc93-6894a57f9324"`: "8e03978e-40d5-43e8-bc93-6894a57f9324",
		`http:abc`:                               "http:abc",
		strings.Repeat("x", 250):                 strings.Repeat("x", 250),
		`"` + strings.Repeat(`\"`, 250) + `"`:    strings.Repeat(`"`, 250),
	} {
		got, err := idempotencyKey(keyed(value))
		require.NoError(t, err, value)
		require.Equal(t, "http:"+want, got)
		require.LessOrEqual(t, len(got), store.MaxKey)
	}
	got, err := idempotencyKey(&http.Request{Header: http.Header{}})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestIdempotencyKeyRefuses(t *testing.T) {
	const bare = `expected visible ASCII characters, and quotes around all of it where there are spaces or , ; "`
	const quoted = `expected ASCII characters between quotes, with \ before " and \ only`
	for value, want := range map[string]string{
		``: "expected a key, got nothing", `""`: "expected a key, got nothing",
		`a b`: bare, `a,b`: bare, `a;b`: bare, `a"b`: bare, `abc"`: bare, "a\tb": bare, "a\x00b": bare, "a\x7fb": bare, "é": bare, "\xff": bare,
		`:YWJj:;x="`: bare,
		`"a"b"`:      quoted, `"a\b"`: quoted, "\"a\tb\"": quoted, `"é"`: quoted, "\"\x7f\"": quoted, `"abc";a=1`: quoted, `"abc" `: quoted, `"a", "b"`: quoted,
		`"abc`: "expected a quote at the end", `"`: "expected a quote at the end", `"abc\"`: "expected a quote at the end",
		strings.Repeat("x", 251):             "expected at most 250 bytes, got 251",
		`"` + strings.Repeat("x", 300) + `"`: "expected at most 250 bytes, got 300",
	} {
		got, err := idempotencyKey(keyed(value))
		require.Equal(t, []string{"Idempotency-Key: " + want}, told(t, err), "%q", value)
		require.Empty(t, got)
	}
	_, err := idempotencyKey(keyed("a", "a"))
	require.Equal(t, []string{"Idempotency-Key: expected once"}, told(t, err))
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{`abc`, `"a\"b\\"`, `"`, `a,b`, `"a";b`, "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := idempotencyKey(keyed(value))
		if err != nil {
			require.Empty(t, got)
			require.Len(t, told(t, err), 1)
			return
		}
		key, ok := strings.CutPrefix(got, keyPrefix)
		require.True(t, ok)
		require.NotEmpty(t, key)
		require.LessOrEqual(t, len(got), store.MaxKey)
		for _, c := range []byte(key) {
			require.True(t, c >= ' ' && c <= '~')
		}
		spelt := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		again, err := idempotencyKey(keyed(spelt))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
