package siptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// program is a peer, and the package of Debian that has it.
type program struct{ name, debian string }

var (
	sippProgram     = program{"sipp", "sip-tester"}
	kamailioProgram = program{"kamailio", "kamailio"}
	baresipProgram  = program{"baresip", "baresip-core"}
)

// everything says that a test that cannot run is a failure.
func everything() bool { return os.Getenv("OUTDIAL_REQUIRE") == "all" }

// path finds the program, or skips the test.
func (p program) path(tb testing.TB) string {
	tb.Helper()
	if found, err := exec.LookPath(p.name); err == nil {
		return found
	}
	// Daemons are not on everybody's path.
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if found, err := exec.LookPath(filepath.Join(folder, p.name)); err == nil {
			return found
		}
	}
	if everything() {
		require.FailNow(tb, p.name+" is missing, and OUTDIAL_REQUIRE=all wants everything: apt-get install "+p.debian)
	}
	tb.Skip(p.name + " is missing: apt-get install " + p.debian)
	return ""
}
