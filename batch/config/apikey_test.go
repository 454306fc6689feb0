package config

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hashOf is what the file has of a key.
func hashOf(key string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key))) }

func TestAPIKeys(t *testing.T) {
	c := parseWith(t, map[string]string{"HASH": hashOf("od_c")}, `
organisations:
  acme: {concurrency_limit: 1, api_keys: ["`+hashOf("od_a")+`", "sha256:`+strings.ToUpper(hashOf("od_b")[7:])+`"]}
  demo:
    concurrency_limit: 1
    api_keys:
      - "${HASH}"
  none: {concurrency_limit: 1, api_keys: []}
`)
	want := map[[32]byte]string{
		sha256.Sum256([]byte("od_a")): "acme", sha256.Sum256([]byte("od_b")): "acme", sha256.Sum256([]byte("od_c")): "demo",
	}
	require.Equal(t, want, c.APIKeys())
	clear(c.APIKeys())
	require.Equal(t, want, c.APIKeys(), "callers cannot change it")
	require.Empty(t, parseWith(t, nil, good).APIKeys())
}

func TestBrokenAPIKeys(t *testing.T) {
	const expected = "expected sha256:… of a key, as `outdial key` prints it"
	hash := hashOf("od_a")
	tests := []struct{ name, keys, want string }{
		{"plain key", `["od_secret"]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"key of no kind", `[hunter2]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"without a prefix", `["` + hash[7:] + `"]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"one digit short", `["` + hash[:70] + `"]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"one digit more", `["` + hash + `0"]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"no digit", `["` + hash[:70] + `g"]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"empty", `[""]`, "2:43: organisations.demo.api_keys[0]: " + expected},
		{"one of several", `["` + hash + `", od_secret]`, "2:118: organisations.demo.api_keys[1]: " + expected},
		{"nothing", "[~]", "2:43: organisations.demo.api_keys[0]: expected text in quotes, and got nothing"},
		{"a list in the list", "[[od_secret]]", "2:43: organisations.demo.api_keys[0]: expected text in quotes, and got a list"},
		{"without quotes", "[" + hash + "]", "2:49: organisations.demo.api_keys[0]: expected text in quotes, and got a mapping"},
		{"no list", "od_secret", "2:42: organisations.demo.api_keys: expected a list of keys, and got text"},
		{"names", "{od_secret: x}", "2:42: organisations.demo.api_keys: expected a list of keys, and got a mapping"},
		{"left empty", "", "2:32: organisations.demo.api_keys: expected a list of keys, and got nothing"},
		{
			"twice", `["` + hash + `", "` + hash + `"]`,
			"2:118: organisations.demo.api_keys[1]: used twice, first in line 2: a key belongs to one organisation",
		},
		{
			"of two organisations", `["` + hash + "\"]}\n  other: {concurrency_limit: 1, api_keys: [\"" + hash + `"]`,
			"3:44: organisations.other.api_keys[0]: used twice, first in line 2: a key belongs to one organisation",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte("organisations:\n  demo: {concurrency_limit: 1, api_keys: "+tt.keys+"}\n"))
			require.Equal(t, tt.want, listed(t, err))
		})
	}
}

func TestAPIKeysAreNeverShown(t *testing.T) {
	for name, file := range map[string]string{
		"in a line":         `{demo: {concurrency_limit: 0, api_keys: [hunter2]}}`,
		"in a line below":   "\n  demo:\n    concurrency_limit: 0\n    api_keys:\n      - hunter2\n",
		"over two lines":    "\n  demo:\n    concurrency_limit: 0\n    api_keys:\n      - \"a\n        hunter2\"\n",
		"in a block":        "\n  demo:\n    concurrency_limit: 0\n    api_keys:\n      - |\n        a\n        hunter2\n",
		"no list":           "\n  demo:\n    api_keys: hunter2\n",
		"a mapping":         "\n  demo:\n    api_keys: {hunter2: x}\n",
		"a mapping, twice":  "\n  demo:\n    api_keys: [{hunter2: x, hunter2: y}]\n",
		"a broken file":     "\n  demo: {api_keys: [hunter2}\n",
		"a quote left open": "\n  demo:\n    api_keys: [\"hunter2]\n",
		"a key of ours":     "\n  demo:\n    api_keys:\n      - [\"od_hunter2\"\n",
		"quoted name":       "\n  demo: {'api_keys' : [hunter2}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte("organisations: "+file))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestKinds(t *testing.T) {
	c := parseWith(t, map[string]string{"URL": "test://x"}, `
organisations: {demo: {concurrency_limit: 1}}
carriers: {one: "test://u:p@one", two: "TEST://two", three: "${URL}"}
`)
	require.Equal(t, map[string]string{"one": "test", "two": "test", "three": "test"}, c.Kinds())
	clear(c.Kinds())
	require.Len(t, c.Kinds(), 3, "callers cannot change it")
}
