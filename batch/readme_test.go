package batch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program in the README is what people try first: it has to run, as it stands there.
func TestProgramInTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, program, ok := strings.Cut(string(readme), "```go\npackage main")
	require.True(t, ok)
	program, _, ok = strings.Cut(program, "```")
	require.True(t, ok)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte("package main"+program), 0o600))
	run := exec.CommandContext(t.Context(), "go", "run", file)
	run.Dir = ".."
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^completed [0-2] answered\n$`, string(out))
}
