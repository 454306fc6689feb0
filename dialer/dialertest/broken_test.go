package dialertest_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
	"github.com/outdial/outdial/dialer/fake"
)

// brokenEnv names the flaw for the process in which the suite is to fail.
const brokenEnv = "DIALERTEST_FLAW"

// harness is for a dialer over the fake carrier that is sound but for one flaw.
func harness(f flaw, soon time.Duration) dialertest.Harness {
	return dialertest.Harness{
		Resumer: true, Limiter: true, Soon: soon, Shortest: 20 * time.Millisecond, AtOnce: 100,
		New: func(t *testing.T) dialertest.Bench {
			t.Helper()
			c, err := fake.New(fake.Config{Books: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			sound, ok := c.Dialer().(resumer)
			require.True(t, ok)
			var numbers atomic.Int64
			return dialertest.Bench{
				Dialer: f.dialer(t, sound),
				Live:   c.Live,
				Placed: func() int { return c.Books().Placed(fake.Scope{}) },
				Call: func(callee dialertest.Callee) dialer.Call {
					to := dialer.Phone(fmt.Sprintf("+1415%07d", numbers.Add(1)))
					b := behaviours()[callee]
					b.Fault |= f.fault
					c.Script(to, b)
					return dialer.Call{From: "+442071838750", To: to}
				},
			}
		},
	}
}

func behaviours() map[dialertest.Callee]fake.Behaviour {
	const brief = time.Millisecond
	return map[dialertest.Callee]fake.Behaviour{
		dialertest.Answers:      {Ring: brief, Talk: brief},
		dialertest.Busy:         {End: dialer.DialBusy},
		dialertest.RingsForever: {Ring: fake.Forever},
		dialertest.TalksForever: {Ring: brief, Talk: fake.Forever},
		dialertest.Refused:      {Fault: fake.Refuse},
		dialertest.Unavailable:  {UnavailableFor: fake.Forever},
	}
}

//nolint:paralleltest // the suite counts goroutines
func TestSoundDialerPasses(t *testing.T) { dialertest.Test(t, harness(flaw{}, 0)) }

// TestFlawed is run in a process of its own by TestEveryFlawIsCaught, where it has to fail.
//
//nolint:paralleltest // it is alone in its process
func TestFlawed(t *testing.T) {
	name, ok := os.LookupEnv(brokenEnv)
	if !ok {
		t.Skip("for TestEveryFlawIsCaught only")
	}
	i := slices.IndexFunc(flaws(), func(f flaw) bool { return f.name == name })
	require.GreaterOrEqual(t, i, 0)
	dialertest.Test(t, harness(flaws()[i], 300*time.Millisecond))
}

func TestEveryFlawIsCaught(t *testing.T) {
	t.Parallel()
	for _, f := range flaws() {
		for rule, message := range f.caughtBy {
			t.Run(f.name+"/"+rule, func(t *testing.T) {
				t.Parallel()
				var output []byte
				var err error
				for range 3 { // what comes too early may be late all the same, where the machine is busy
					cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFlawed$/^"+rule+"$", "-test.timeout=1m")
					cmd.Env = append(os.Environ(), brokenEnv+"="+f.name)
					if output, err = cmd.CombinedOutput(); err != nil {
						break
					}
				}
				require.Error(t, err, "the suite did not see it")
				require.Contains(t, string(output), "--- FAIL: TestFlawed/"+rule)
				require.Regexp(t, message, string(output))
			})
		}
	}
}

func TestEveryRuleCanBeBroken(t *testing.T) {
	t.Parallel()
	caught := map[string]bool{}
	for _, f := range flaws() {
		for rule := range f.caughtBy {
			require.Contains(t, dialertest.RuleNames(), rule)
			caught[rule] = true
		}
	}
	for _, rule := range dialertest.RuleNames() {
		require.True(t, caught[rule], "no flaw shows that the rule %s can fail", rule)
	}
}
