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
guard: {allow: [GB]}
`)
	require.Equal(t, map[string]string{"one": "test", "two": "test", "three": "test"}, c.Kinds())
	clear(c.Kinds())
	require.Len(t, c.Kinds(), 3, "callers cannot change it")
}
