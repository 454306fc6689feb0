package storetest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mutantVariable = "OUTDIAL_STORETEST_MUTANT"

// A suite that cannot fail promises nothing: for each way to break a promise, the rule that
// is named after the promise must fail, and say why. A failing test cannot be watched from
// within, so each mutant has a process of its own, in which TestMutant is the suite.
func TestEveryMutantIsCaught(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for name, m := range mutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic, rule, _ := strings.Cut(m.rule, "/")
			cmd := exec.CommandContext(t.Context(), self, "-test.run", fmt.Sprintf("^TestMutant$/^%s$/^%s$", topic, rule))
			cmd.Env = append(os.Environ(), mutantVariable+"="+name)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the mutant lives:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: TestMutant/"+m.rule)
			require.Contains(t, string(out), m.says)
			require.NotContains(t, string(out), "panic:")
		})
	}
}

func TestMutant(t *testing.T) {
	m, ok := mutants()[os.Getenv(mutantVariable)]
	if !ok {
		t.Skip("run by TestEveryMutantIsCaught")
	}
	storetest.Test(t, func(*testing.T) store.Store { return m.store() })
}
