package dialertest_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
	"github.com/outdial/outdial/dialer/fake"
)

// What the process in which the suite is to fail is told: the flaw, and what is soon to the suite.
const (
	brokenEnv = "DIALERTEST_FLAW"
	soonEnv   = "DIALERTEST_SOON"
)

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
	soon, err := time.ParseDuration(os.Getenv(soonEnv))
	require.NoError(t, err)
	dialertest.Test(t, harness(flaws()[i], soon))
}

// runFlawed returns what a process says in which the suite checks one rule of a flawed dialer.
func runFlawed(t *testing.T, flaw, rule, soon string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFlawed$/^"+rule+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), brokenEnv+"="+flaw, soonEnv+"="+soon)
	output, err := cmd.CombinedOutput()
	if err == nil {
		return "the suite has passed"
	}
	return string(output)
}

func TestEveryFlawIsCaught(t *testing.T) {
	t.Parallel()
	for _, f := range flaws() {
		for rule, message := range f.caughtBy {
			t.Run(f.name+"/"+rule, func(t *testing.T) {
				t.Parallel()
				says := regexp.MustCompile(message)
				var output string
				// On a busy machine what comes too early may be late all the same, and what has no flaw may not come
				// soon. A flaw that is one is seen however patient the suite is.
				for _, soon := range []string{"300ms", "3s", "10s"} {
					if output = runFlawed(t, f.name, rule, soon); says.MatchString(output) {
						break
					}
				}
				require.Contains(t, output, "--- FAIL: TestFlawed/"+rule, "the suite did not see it")
				require.Regexp(t, says, output)
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
