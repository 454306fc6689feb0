package httpapi

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhereAKeyMayStand(t *testing.T) {
	t.Parallel()
	long, tooLong := strings.Repeat("k", maxAPIKey), strings.Repeat("k", maxAPIKey+1)
	keys, err := NewKeys(map[[sha256.Size]byte]string{
		HashKey("a"): "acme", HashKey("b"): "acme", HashKey("c"): "other",
		HashKey(long): "long", HashKey(tooLong): "too long", HashKey(""): "empty",
	})
	require.NoError(t, err)
	for _, test := range []struct {
		bearer, plain []string
		org           string
	}{
		{[]string{"Bearer a"}, nil, "acme"},
		{[]string{"bearer b"}, nil, "acme"},
		{[]string{"BEARER   c"}, nil, "other"},
		{nil, []string{"c"}, "other"},
		{[]string{"Bearer a"}, []string{"a"}, "acme"},
		{nil, []string{long}, "long"},

		{nil, nil, ""},
		{[]string{"Bearer d"}, nil, ""},
		{[]string{"Bearer A"}, nil, ""},
		{[]string{"Bearer"}, nil, ""},
		{[]string{"Bearer "}, nil, ""},
		{[]string{"a"}, nil, ""},
		{[]string{"Basic a"}, nil, ""},
		{[]string{"Basic a"}, []string{"a"}, ""},
		{[]string{"Bearer a, Bearer a"}, nil, ""},
		{[]string{"Bearer a"}, []string{"b"}, ""},
		{[]string{"Bearer a"}, []string{""}, ""},
		{[]string{"Bearer a", "Bearer a"}, nil, ""},
		{nil, []string{"a", "a"}, ""},
		{nil, []string{""}, ""},
		{nil, []string{tooLong}, ""},
		{[]string{"Bearer " + tooLong}, nil, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header["Authorization"], r.Header["X-Api-Key"] = test.bearer, test.plain
		org, err := keys.Authenticate(r)
		require.Equal(t, test.org, org, "%v %v", test.bearer, test.plain)
		if test.org == "" {
			require.ErrorIs(t, err, ErrUnauthenticated)
		} else {
			require.NoError(t, err)
		}
	}
}

// holder is a request with a key.
func holder(key string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set(headerKey, key)
	return r
}

func TestKeysCanBeReplacedWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys(map[[sha256.Size]byte]string{HashKey("a"): "acme"})
	require.NoError(t, err)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 1000 {
				if org, err := keys.Authenticate(holder("a")); err == nil && org != "acme" {
					t.Errorf("got %q", org)
				}
			}
		})
	}
	for range 100 {
		require.NoError(t, keys.Replace(map[[sha256.Size]byte]string{HashKey("b"): "other"}))
		require.NoError(t, keys.Replace(map[[sha256.Size]byte]string{HashKey("a"): "acme"}))
	}
	readers.Wait()
	require.Error(t, keys.Replace(map[[sha256.Size]byte]string{HashKey("a"): ""}))
	org, err := keys.Authenticate(holder("a"))
	require.NoError(t, err, "a list that is refused changes nothing")
	require.Equal(t, "acme", org)
}

func TestAListWithoutKeysLetsNobodyIn(t *testing.T) {
	t.Parallel()
	empty, err := NewKeys(nil)
	require.NoError(t, err)
	for _, keys := range []*Keys{empty, {}} {
		_, err := keys.Authenticate(holder("a"))
		require.ErrorIs(t, err, ErrUnauthenticated)
	}
	_, err = NewKeys(map[[sha256.Size]byte]string{HashKey("a"): ""})
	require.ErrorContains(t, err, "no organisation")
}

func TestNewKeys(t *testing.T) {
	t.Parallel()
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 1000 {
		key := NewKey()
		require.Regexp(t, `^od_[0-9A-Za-z]{32}$`, key)
		require.False(t, seen[key])
		seen[key] = true
		for _, c := range key[len("od_"):] {
			letters[c] = true
		}
	}
	require.Len(t, letters, 62)
}
