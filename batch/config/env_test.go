package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariablesAreReplaced(t *testing.T) {
	c := parseWith(t, map[string]string{
		"LIMIT": "7", "REGION": "APAC", "FULL": "true", "HOST": "agents.example:8443",
		"CALLER": "+442079460000", "TRUNK": "trunk", "COUNTRY": "GB", "WHOLE": "test://user:pw@whole.example?cps=3",
	}, `
organisations: {demo: {concurrency_limit: "${LIMIT}", region: "${REGION}", usage_exceeded: "${FULL}"}}
agents: {greeter: {url: "wss://${HOST}/greeter"}}
carriers: {trunk: "${WHOLE}"}
guard: {allow: ["${COUNTRY}"]}
numbers: {main: {e164: "${CALLER}", carriers: ["${TRUNK}"], channels: "${LIMIT}"}}
`)
	o, err := c.Organisation(t.Context(), "demo")
	require.NoError(t, err)
	require.Equal(t, 7, o.ConcurrencyLimit)
	require.Equal(t, "APAC", o.Region)
	require.True(t, o.UsageExceeded)
	a, err := c.Agent(t.Context(), "demo", "greeter")
	require.NoError(t, err)
	require.Equal(t, "wss://agents.example:8443/greeter", a.URL)
	n, err := c.Number(t.Context(), "demo", "main")
	require.NoError(t, err)
	require.Equal(t, "+442079460000", string(n.E164))
	require.Equal(t, []string{"trunk"}, n.Carriers)
	require.Equal(t, "whole.example", opened(t, c, "trunk").url.Host)
}

func TestVariableCannotChangeTheURLAroundIt(t *testing.T) {
	const secret = `p@ss:/?#&channels=9 %41+$"` + "\n"
	c := parseWith(t, map[string]string{"SECRET": secret, "HOST": "sip.example:5061"}, `
organisations: {demo: {concurrency_limit: 1}}
carriers: {trunk: "test://user:${SECRET}@${HOST}?note=${SECRET}&channels=2"}
guard: {allow: [GB]}
`)
	d := opened(t, c, "trunk")
	password, _ := d.url.User.Password()
	require.Equal(t, secret, password)
	require.Equal(t, secret, d.note)
	require.Equal(t, "sip.example:5061", d.url.Host)
	require.Equal(t, 2, d.limits.Channels)
}

func TestVariableCannotAddToTheFile(t *testing.T) {
	_, err := parse("f.yaml", []byte("organisations: {demo: {concurrency_limit: 1, region: \"${X}\"}}"),
		lookupIn(map[string]string{"X": "EU, usage_exceeded: true"}))
	require.Equal(t, "1:54: organisations.demo.region: expected US, EU or APAC", listed(t, err))
}

func TestDollars(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"doubled", "a$$b", "a$b"},
		{"doubled before a brace", "$${X}", "${X}"},
		{"three", "$$${X}", "$x"},
		{"twice the same", "${X}${X}", "xx"},
		{"within text", "a${X}b", "axb"},
		{"value is not looked up again", "${Y}", "${X}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pieces, err := split(tt.value)
			require.NoError(t, err)
			vars, err := look(pieces, lookupIn(map[string]string{"X": "x", "Y": "${X}"}))
			require.NoError(t, err)
			require.Equal(t, tt.want, join(pieces, vars, plain(pieces)))
		})
	}
}

func TestBrokenReferences(t *testing.T) {
	const form = "expected ${NAME}, where NAME has letters, digits and underscores only"
	const dollar = "a $ begins a reference such as ${NAME}; a dollar is written $$"
	tests := []struct{ name, value, want string }{
		{"not set", "${NOPE}", "the environment variable NOPE is not set"},
		{"not set, twice", "${NOPE}${NOPE}", "the environment variable NOPE is not set"},
		{"two not set", "${NOPE}${NADA}", "the environment variable NOPE is not set; the environment variable NADA is not set"},
		{"empty", "${EMPTY}", "the environment variable EMPTY is empty"},
		{"lone dollar", "5$", dollar},
		{"dollar and name", "$HOME", dollar},
		{"no end", "${HOME", form},
		{"no name", "${}", form},
		{"digit first", "${1A}", form},
		{"default of a shell", "${A:-b}", form},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("f.yaml", []byte("organisations: {demo: {concurrency_limit: 1}}\n"+
				"agents: {greeter: {url: \""+tt.value+"\"}}\n"), lookupIn(map[string]string{"EMPTY": ""}))
			require.Equal(t, "2:25: agents.greeter.url: "+tt.want, listed(t, err))
		})
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	tests := []struct{ name, secret, carrier string }{
		{"malformed parameter", "hunter2", "test://u@h?channels=${S}"},
		{"shown by the carrier", "hunter2", "test://u@h?refuse=${S}"},
		{"shown with a quote in it", `hun"ter2`, "test://u@h?refuse=${S}"},
		{"shown with a space in it", `hunter 2`, "test://u@h?refuse=${S}"},
		{"in the place of the port", "hunter2", "test://u@h:${S}"},
		{"in the place of the scheme", "hunter2", "${S}://u@h"},
		{"in the place of the URL", "hunter2", "${S}"},
		{"whole URL", "test://u:hunter2@h?channels=x", "${S}"},
		{"whole URL of no kind", "nope://u:hunter2@h", "${S}"},
		{"whole URL, malformed", "test://u:hunter2@h:%zz", "${S}"},
		{"short", "pw1", "test://u@h?refuse=${S}"},
		{"literal", "", "test://u:hunter2@h?channels=x"},
		{"literal without slashes", "", "test:u:hunter2@h"},
		{"literal in a broken file", "", "test://u:hunter2@h\"\"\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("f.yaml", []byte("organisations: {demo: {concurrency_limit: 1}}\n"+
				"carriers:\n  trunk: \""+tt.carrier+"\"\nnumbers: {main: {e164: '+442079460000', carriers: [\""+
				tt.carrier+"\"]}}\n"), lookupIn(map[string]string{"S": tt.secret}))
			require.Error(t, err)
			for _, secret := range []string{"hunter", "ter2", "pw1"} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

func TestHideLeavesWordsAlone(t *testing.T) {
	vars := []variable{{"SHORT", "1"}, {"LONG", "12345"}}
	require.Equal(t, "expected ${SHORT} of 10, not ${LONG}", hide("expected 1 of 10, not 12345", vars))
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

func parseWith(t *testing.T, env map[string]string, text string) *Config {
	t.Helper()
	c, err := parse("f.yaml", []byte(strings.TrimSpace(text)), lookupIn(env))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
