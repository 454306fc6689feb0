package dialer_test

import (
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// params reads every kind of parameter.
type params struct {
	Text   string
	Share  float64
	Count  int
	Seed   uint64
	Yes    bool
	For    time.Duration
	Limits dialer.Limits
}

func readParams(t *testing.T, query string) (params, error) {
	t.Helper()
	p := dialer.ParseParams(&url.URL{RawQuery: query})
	read := params{
		Text:   p.String("text", "none"),
		Share:  p.Float("share", 0.5, 1),
		Count:  p.Int("count", 7),
		Seed:   p.Uint64("seed", 9),
		Yes:    p.Bool("yes", true),
		For:    p.Duration("for", time.Second),
		Limits: p.Limits(),
	}
	return read, p.Err()
}

func TestParams(t *testing.T) {
	t.Parallel()
	fallback := params{Text: "none", Share: 0.5, Count: 7, Seed: 9, Yes: true, For: time.Second}
	for query, change := range map[string]func(*params){
		"":                          func(*params) {},
		"text=":                     func(p *params) { p.Text = "" },
		"text=a%26b":                func(p *params) { p.Text = "a&b" },
		"share=0":                   func(p *params) { p.Share = 0 },
		"share=1":                   func(p *params) { p.Share = 1 },
		"count=0":                   func(p *params) { p.Count = 0 },
		"count=2147483647":          func(p *params) { p.Count = math.MaxInt32 },
		"seed=18446744073709551615": func(p *params) { p.Seed = math.MaxUint64 },
		"yes=false":                 func(p *params) { p.Yes = false },
		"for=1m30s":                 func(p *params) { p.For = 90 * time.Second },
		"channels=200&cps=2.5&burst=4": func(p *params) {
			p.Limits = dialer.Limits{Channels: 200, CPS: 2.5, Burst: 4}
		},
	} {
		want := fallback
		change(&want)
		got, err := readParams(t, query)
		require.NoError(t, err, query)
		require.Equal(t, want, got, query)
	}
}

func TestParamsRefuse(t *testing.T) {
	t.Parallel()
	for query, says := range map[string]string{
		"share=1.1":               `parameter share="1.1": expected a number from 0 to 1`,
		"share=-0.1":              "expected a number from 0 to 1",
		"share=NaN":               "expected a number from 0 to 1",
		"share=Inf":               "expected a number from 0 to 1",
		"share=":                  "expected a number from 0 to 1",
		"cps=100001":              "expected a number from 0 to 100000",
		"count=-1":                "expected a whole number of at least 0",
		"count=1.5":               "expected a whole number of at least 0",
		"count=2147483648":        "expected a whole number of at least 0",
		"seed=-1":                 "expected a whole number of at least 0",
		"yes=maybe":               "expected true or false",
		"for=45":                  "expected a time such as 45s or 1m30s",
		"for=-1s":                 "expected a time such as 45s or 1m30s",
		"count=1&count=1":         "parameter count is given 2 times",
		"zeal=1&colour=red":       "unknown parameter colour, zeal: expected any of text, share, count",
		"Count=1":                 "unknown parameter (not shown)",
		"count=%0Ax":              `parameter count="\nx"`,
		"a;b":                     "cannot be read",
		"count=x&share=y":         "parameter share", // the first that is asked for
		"count=x&unknown=1":       "parameter count",
		"channels=many&burst=bad": "parameter channels",
	} {
		_, err := readParams(t, query)
		require.ErrorContains(t, err, says, query)
	}
}
