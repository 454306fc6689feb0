package config

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/guard"
)

const guarding = `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB, NO, +1212, "${MORE}"], block: 4}
carriers:
  plain: "test://plain"
  mapped: {url: "test://mapped?channels=7"}
  fewer: {url: "test://fewer", guard: {allow: [GB], hourly: 5}}
  endless: {url: "test://endless", guard: {hourly: none, block: 1}}
  open: {url: "test://open", guard: off}
  quoted: {url: "test://quoted", guard: "off"}
  imitation: "fake://?ring=0&talk=0"
  careful: {url: "fake://", guard: {}}
numbers:
  ordered: {e164: "+442079460000", carriers: [mapped, plain]}
  shared: {e164: "+442079460001", carriers: {plain: 3, mapped: 0x10, fewer: "${SHARE}"}}
`

func TestGuards(t *testing.T) {
	c := parseWith(t, map[string]string{"MORE": "US", "SHARE": "2"}, guarding)
	allow := []string{"GB", "NO", "+1212", "US"}
	for name, want := range map[string]*guard.Rules{
		"plain":     {Allow: allow, Block: 4},
		"mapped":    {Allow: allow, Block: 4},
		"fewer":     {Allow: []string{"GB"}, Block: 4, Hourly: 5},
		"endless":   {Allow: allow, Block: 1, Hourly: -1},
		"open":      nil,
		"quoted":    nil,
		"imitation": nil,
		"careful":   {Allow: allow, Block: 4},
		"nobody":    nil,
	} {
		rules, guarded := c.Guard(name)
		require.Equal(t, want != nil, guarded, name)
		if want != nil {
			require.Equal(t, *want, rules, name)
		}
	}
	require.Equal(t, 7, c.Dialers()["mapped"].(dialer.Limiter).Limits().Channels)

	jamaica := dialer.Call{ID: "call_1", From: "+442079460000", To: "+18764441234"}
	for _, name := range []string{"plain", "mapped", "fewer", "endless", "careful"} {
		_, err := c.Dialers()[name].Dial(t.Context(), jamaica, func(dialer.Progress) {})
		require.ErrorIs(t, err, dialer.ErrNotPlaced, name)
		require.ErrorContains(t, err, "calls to JM are not allowed", name)
	}
	for _, name := range []string{"open", "quoted"} {
		_, wrapped := c.Dialers()[name].(interface{ Unwrap() dialer.Dialer })
		require.False(t, wrapped, name)
	}
	_, err := c.Dialers()["imitation"].Dial(t.Context(), jamaica, func(dialer.Progress) {})
	require.NotErrorIs(t, err, dialer.ErrNotPlaced)
}

func TestWeights(t *testing.T) {
	c := parseWith(t, map[string]string{"MORE": "US", "SHARE": "2"}, guarding)
	n, err := c.Number(t.Context(), "demo", "shared")
	require.NoError(t, err)
	require.Equal(t, []string{"plain", "mapped", "fewer"}, n.Carriers, "in the file's order")
	require.Equal(t, []int{3, 16, 2}, n.Weights)
	n.Weights[0] = 99
	n, err = c.Number(t.Context(), "demo", "shared")
	require.NoError(t, err)
	require.Equal(t, 3, n.Weights[0], "callers cannot change it")
	n, err = c.Number(t.Context(), "demo", "ordered")
	require.NoError(t, err)
	require.Nil(t, n.Weights)
}

// TestAGuardWhereEveryCarrierHasItsOwn needs none at the top of the file.
func TestAGuardWhereEveryCarrierHasItsOwn(t *testing.T) {
	c := parseWith(t, nil, `
organisations: {demo: {concurrency_limit: 40}}
carriers: {a: {url: "test://a", guard: {allow: [GB]}}, b: {url: "test://b", guard: off}, c: "fake://"}
`)
	require.Len(t, c.Dialers(), 3)
	parseWith(t, nil, "organisations: {demo: {concurrency_limit: 40}}\nguard: {hourly: 3}\n"+
		"carriers: {a: {url: 'test://a', guard: {allow: [GB]}}}\n")
}

const counting = `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB, US], hourly: 3}
carriers: {a: "test://a", b: "test://b", c: {url: "test://c", guard: {allow: [GB]}}}
`

// placed counts which of some calls a carrier is asked for. The errors that the guard's rules give are returned.
func placed(t *testing.T, carriers map[string]dialer.Dialer, name, to string, n int) (asked int, refused error) {
	t.Helper()
	for range n {
		_, err := carriers[name].Dial(t.Context(),
			dialer.Call{ID: "call_1", From: "+442079460000", To: dialer.Phone(to)}, func(dialer.Progress) {})
		if errors.Is(err, dialer.ErrNotAsked) {
			refused = err
			continue
		}
		require.NoError(t, err)
		asked++
	}
	return asked, refused
}

// TestTheHourlyCallsAreCountedOnce has one count for all carriers, and for the file as it is read again.
func TestTheHourlyCallsAreCountedOnce(t *testing.T) {
	f, e := openFile(t, counting), &engine{}
	asked, _ := placed(t, f.Dialers(), "a", "+442079460000", 2)
	require.Equal(t, 2, asked)
	asked, refused := placed(t, f.Dialers(), "b", "+442079460001", 5)
	require.Equal(t, 1, asked)
	require.ErrorIs(t, refused, dialer.ErrForbidden)

	before := f.Dialers()["a"]
	_, err := f.change(e, "allow: [GB, US], hourly: 3", "allow: [GB, US, FR], hourly: 4")
	require.NoError(t, err)
	require.NotSame(t, before, f.Dialers()["a"])
	asked, _ = placed(t, f.Dialers(), "a", "+442079460002", 5)
	require.Equal(t, 1, asked, "four may be called now, and three have been")
	asked, _ = placed(t, f.Dialers(), "b", "+33199001234", 1)
	require.Equal(t, 1, asked)

	_, err = f.change(e, "hourly: 4", "hourly: 6, block: 5")
	require.NoError(t, err)
	asked, _ = placed(t, f.Dialers(), "b", "+442079470000", 5)
	require.Equal(t, 2, asked, "four of the larger block have been called")
	_, err = f.change(e, "hourly: 6, block: 5", "hourly: none")
	require.NoError(t, err)
	asked, _ = placed(t, f.Dialers(), "b", "+442079470000", 5)
	require.Equal(t, 5, asked)
	_, err = f.change(e, "hourly: none", "hourly: 4, block: 1")
	require.NoError(t, err)
	asked, _ = placed(t, f.Dialers(), "b", "+442079470009", 1)
	require.Zero(t, asked, "what was called without a limit counts, too")

	_, err = f.change(e, "hourly: 4", "hourly: 9, block: 0")
	require.Error(t, err)
	asked, _ = placed(t, f.Dialers(), "c", "+442079460003", 5)
	require.Zero(t, asked, "a file with a mistake changes nothing")
}

// TestWhatOneCarrierForbidsAnotherMayAllow is why not every refusal is final.
func TestWhatOneCarrierForbidsAnotherMayAllow(t *testing.T) {
	c := parseWith(t, nil, counting)
	_, refused := placed(t, c.Dialers(), "c", "+14155550123", 1)
	require.ErrorIs(t, refused, dialer.ErrNotAsked)
	require.NotErrorIs(t, refused, dialer.ErrForbidden)
	for _, to := range []string{"+33199001234", "+449012345678", "+61147101234"} {
		for _, name := range []string{"a", "c"} {
			_, refused = placed(t, c.Dialers(), name, to, 1)
			require.ErrorIs(t, refused, dialer.ErrForbidden, name)
		}
	}
	asked, _ := placed(t, c.Dialers(), "a", "+14155550123", 1)
	require.Equal(t, 1, asked)
}

// TestACarrierWithoutAGuardMayTakeWhatOthersRefuse holds as long as the file has that carrier, whoever else is
// replaced.
func TestACarrierWithoutAGuardMayTakeWhatOthersRefuse(t *testing.T) {
	const open = `  dear: {url: "test://dear", guard: off}` + "\n"
	f, e := openFile(t, `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB], hourly: 2}
carriers:
  cheap: "test://cheap"
`+open), &engine{}
	refusal := func(to string) error {
		_, refused := placed(t, f.Dialers(), "cheap", to, 3)
		require.Error(t, refused)
		return refused
	}
	for range 2 {
		require.NotErrorIs(t, refusal("+33142685300"), dialer.ErrForbidden)
		require.NotErrorIs(t, refusal("+442079460000"), dialer.ErrForbidden)
		require.ErrorIs(t, refusal("+449012345678"), dialer.ErrForbidden)
		_, err := f.change(e, "test://cheap", "test://cheap?note=new")
		require.NoError(t, err)
		const mistaken = `"test://cheap?refuse=it"` + "\n" + `  more: {url: "test://more", guard: off}`
		_, err = f.change(e, `"test://cheap?note=new"`, mistaken)
		require.Error(t, err)
		_, err = f.change(e, mistaken, `"test://cheap"`)
		require.NoError(t, err)
	}
	asked, _ := placed(t, f.Dialers(), "dear", "+33142685300", 1)
	require.Equal(t, 1, asked)
	_, err := f.change(e, open, "")
	require.NoError(t, err)
	close(e.retired)
	require.Eventually(t, func() bool { return errors.Is(refusal("+33142685300"), dialer.ErrForbidden) },
		time.Minute, time.Millisecond)
}
