package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWalkInTheREADME runs what the README says to paste, as it stands there but for the address, at
// a server without a configuration.
func TestWalkInTheREADME(t *testing.T) {
	t.Parallel()
	needs(t, "bash", "curl")
	walk := walkIn(t, "../../README.md")
	w := newWorld(t, fast)
	require.NoError(t, os.Symlink(program(t), w.path("outdial")))
	people, err := os.ReadFile("recipients.csv")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(w.path("examples/outdial"), 0o700))
	w.write("examples/outdial/recipients.csv", string(people))
	s := w.serveWith(nil, "--db", w.path("outdial.db"), "--drain", "0s")
	require.NotEmpty(t, s.url, s.errOut)
	const address = "http://127.0.0.1:8080"
	require.Contains(t, walk, address)

	c := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(walk, address, s.url))
	c.Dir = w.dir
	said, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", said, s.errOut)
	for _, want := range []string{
		`{"ready":true}`, `"name":"reminders"`, `"has_more":false`, `"waiting":{"reason":"paused"`, "\nevent: batch\n", "\nevent: recipient\n",
		`"telephony_params":`, `"total_calls_scheduled":200`, "to_number,status,", "STANDING", "is cancelled:", "  cancelled ",
	} {
		require.Contains(t, string(said), want)
	}
	require.NotContains(t, string(said), "error_code")
	require.Zero(t, s.stop().code)
}

// walkIn returns the commands between the two marks.
func walkIn(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(path))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "<!-- walk -->")
	require.True(t, ok, "the README has no walk")
	section, _, ok := strings.Cut(rest, "<!-- /walk -->")
	require.True(t, ok, "the README's walk has no end")
	var walk strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		walk.WriteString(block[1])
	}
	return walk.String()
}

// needs skips a test for want of a program on this machine, or fails where everything is to be there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			require.FailNow(t, name+" is missing, and OUTDIAL_REQUIRE=all wants everything")
		}
		t.Skip(name + " is missing")
	}
}
