package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that is right but for what a case replaces in it.
const good = `organisations:
  demo: {concurrency_limit: 40, region: EU}
agents:
  greeter: {url: "wss://agents.example/greeter"}
carriers:
  trunk: "test://user:pw@sip.example?channels=20"
numbers:
  main: {e164: "+442079460000", carriers: [trunk]}
`

func TestBrokenFiles(t *testing.T) {
	const (
		sections = "organisations, agents, carriers, numbers"
		numbers  = "organisation, e164, carriers, inbound_only, region, any_region, channels"
	)
	tests := []struct {
		name, replace, with, want string
	}{
		{"no file at all", good, "", "1:1: the file is empty: expected organisations, agents, carriers and numbers"},
		{"only a comment", good, "# later\n", "1:1: the file is empty: expected organisations, agents, carriers and numbers"},
		{"a list", good, "- demo\n", "1:1: expected " + sections + ", and got a list"},
		{"a word", good, "demo\n", "1:1: expected " + sections + ", and got text"},
		{"a number", good, "5\n", "1:1: expected " + sections + ", and got a number"},
		{"two documents", good, good + "---\n" + good, "10:14: expected one YAML document, without directives"},
		{"a directive", good, "%YAML 1.2\n---\n" + good, "3:14: expected one YAML document, without directives"},
		{"too large", good, strings.Repeat("#", MaxSize+1), "1:1: the file has more than 1048576 bytes"},
		{"too deep", good, "a: " + strings.Repeat("[", 100), "1:20: nested too deeply"},
		{"too many dashes", good, strings.Repeat("- ", 100), "1:33: nested too deeply"},
		{"unknown section", "carriers:\n", "carrier:\n", "5:1: carrier: unknown: expected any of " + sections + "\n" +
			`8:44: numbers.main.carriers[0]: no carrier is called "trunk": the file has none`},
		{"section twice", "agents:", "organisations:", "3:1: organisations: given twice, first in line 1"},
		{"section is a list", "  greeter: ", "  - greeter: ", "4:3: agents: expected names with their values, and got a list"},
		{"tab", "  demo: ", "\tdemo: ", "2:1: found character '\t' that cannot start any token"},
		{"bracket left open", "[trunk]}", "[trunk}", "8:49: ',' or ']' must be specified"},
		{"quote left open", `/greeter"`, `/greeter`, "6:11: ',' or '}' must be specified"},
		{"anchor", "{concurrency_limit: 40", "&x {concurrency_limit: 40", "2:9: organisations.demo: expected " +
			"concurrency_limit, region, usage_exceeded, api_keys, and got an anchor, alias, merge key or tag, which are not supported"},
		{"tag", "region: EU", "region: !!str EU", "2:41: organisations.demo.region: expected text, " +
			"and got an anchor, alias, merge key or tag, which are not supported"},
		{"merge key", "numbers:\n", "numbers:\n  <<: {}\n", "8:3: numbers: expected a name, " +
			"and got an anchor, alias, merge key or tag, which are not supported"},
		{"empty name", "  greeter:", `  "":`, "4:3: agents: a name is empty"},
		{"null name", "  greeter:", `  ~:`, "4:3: agents: expected a name, and got nothing"},
		{"long name", "  greeter:", "  " + strings.Repeat("x", 256) + ":", "4:3: agents: a name has more than 255 bytes"},
		{"variable in a name", "  greeter:", `  "${WHO}":`, "4:3: agents: the environment is looked up for values, not for names"},

		{"no organisations", "  demo: {concurrency_limit: 40, region: EU}\n", "",
			"1:1: organisations: expected at least one organisation"},
		{"organisations left out", "organisations:\n  demo: {concurrency_limit: 40, region: EU}\n", "",
			"1:1: organisations: expected at least one organisation"},
		{"organisation twice", "agents:", "  demo: {concurrency_limit: 1}\nagents:",
			"3:3: organisations.demo: given twice, first in line 2"},
		{"organisation without anything", "demo: {concurrency_limit: 40, region: EU}", "demo:",
			"2:3: organisations.demo: expected concurrency_limit, region, usage_exceeded, api_keys, and got nothing"},
		{"no limit", "concurrency_limit: 40, ", "",
			"2:3: organisations.demo.concurrency_limit: required: the most calls in flight at once"},
		{"limit of 0", "limit: 40", "limit: 0", "2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1"},
		{"limit below 0", "limit: 40", "limit: -1", "2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1"},
		{"half a limit", "limit: 40", "limit: 1.5", "2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1"},
		{"huge limit", "limit: 40", "limit: 9999999999999", "2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1"},
		{"limit in words", "limit: 40", "limit: forty", "2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1"},
		{"limit is a list", "limit: 40", "limit: [40]", "2:29: organisations.demo.concurrency_limit: expected text, and got a list"},
		{"limit left empty", "limit: 40", "limit:", "2:10: organisations.demo.concurrency_limit: expected text, and got nothing"},
		{"region unknown", "region: EU", "region: MARS", "2:41: organisations.demo.region: expected US, EU or APAC"},
		{"region in lower case", "region: EU", "region: eu", "2:41: organisations.demo.region: expected US, EU or APAC"},
		{"usage in words", "region: EU", "usage_exceeded: yes", "2:49: organisations.demo.usage_exceeded: expected true or false"},
		{"misspelt key", "region: EU", "regoin: EU",
			"2:33: organisations.demo.regoin: unknown: expected any of concurrency_limit, region, usage_exceeded, api_keys"},
		{"key in other case", "region: EU", "Region: EU",
			"2:33: organisations.demo.Region: unknown: expected any of concurrency_limit, region, usage_exceeded, api_keys"},

		{"agent of nobody", "{url:", "{organisation: dmeo, url:",
			`4:27: agents.greeter.organisation: no organisation is called "dmeo": expected one of demo`},
		{"agent of one of several", "agents:", "  more: {concurrency_limit: 1}\nagents:",
			"5:3: agents.greeter.organisation: required: the file has several, expected one of demo, more\n" +
				"9:3: numbers.main.organisation: required: the file has several, expected one of demo, more"},
		{"agent on the web", "wss:", "https:", "4:18: agents.greeter.url: expected a WebSocket URL, such as wss://agents.example/greeter"},
		{"agent without a host", "wss://agents.example", "wss://", "4:18: agents.greeter.url: expected a WebSocket URL, such as wss://agents.example/greeter"},
		{"agent key twice", "{url:", "{url: \"wss://x\", url:", "4:29: agents.greeter.url: given twice, first in line 4"},
		{"agent is text", `{url: "wss://agents.example/greeter"}`, "hello", "4:12: agents.greeter: expected organisation, url, and got text"},

		{"carrier kind unknown", "test:", "carrierpigeon:", `6:10: carriers.trunk: no carrier kind has the URL scheme ` +
			`"carrierpigeon": expected one of fake, test; is its package imported?`},
		{"carrier parameter unknown", "channels=20", "chanels=20", "6:10: carriers.trunk: opening a test carrier: " +
			"unknown parameter chanels: expected any of channels, cps, burst, note, close, refuse"},
		{"carrier parameter wrong", "channels=20", "channels=-2", "6:10: carriers.trunk: opening a test carrier: " +
			`parameter channels="-2": expected a whole number of at least 0`},
		{"carrier URL malformed", "@sip.example", "@sip.example:pw", "6:10: carriers.trunk: the carrier's URL cannot be read: invalid port (not shown)"},
		{"carrier is a mapping", `"test://user:pw@sip.example?channels=20"`, "{url: x}", "6:10: carriers.trunk: expected text, and got a mapping"},
		{"carrier left empty", ` "test://user:pw@sip.example?channels=20"`, "", "6:3: carriers.trunk: expected text, and got nothing"},

		{"number left empty", `{e164: "+442079460000", carriers: [trunk]}`, "", "8:3: numbers.main: expected " + numbers + ", and got nothing"},
		{"no e164", `e164: "+442079460000", `, "", "8:3: numbers.main.e164: required: the number in E.164 format, such as +14155550123"},
		{"e164 without plus", `"+44`, `"44`, "8:16: numbers.main.e164: expected E.164 format, such as +14155550123: it does not begin with +"},
		{"e164 with a space", `"+44`, `"+44 `, "8:16: numbers.main.e164: expected E.164 format, such as +14155550123: ' ' at position 4 is no digit"},
		{"e164 too long", `"+44`, `"+44123456`, "8:16: numbers.main.e164: expected E.164 format, such as +14155550123: it has 18 digits, not 7 to 15"},
		{"e164 from 0", `"+44`, `"+0`, "8:16: numbers.main.e164: expected E.164 format, such as +14155550123: no country code begins with 0"},
		{"number of nobody", "{e164:", "{organisation: x, e164:", `8:24: numbers.main.organisation: no organisation is called "x": expected one of demo`},
		{"no carriers", ", carriers: [trunk]", "", "8:3: numbers.main.carriers: required: the carriers that can place its calls"},
		{"empty carriers", "[trunk]", "[]", "8:43: numbers.main.carriers: expected at least one carrier"},
		{"one carrier, not a list", "[trunk]", "trunk", "8:43: numbers.main.carriers: expected a list of carriers, and got text"},
		{"carrier unknown", "[trunk]", "[trnk]", `8:44: numbers.main.carriers[0]: no carrier is called "trnk": expected one of trunk`},
		{"carrier twice", "[trunk]", "[trunk, trunk]", `8:51: numbers.main.carriers[1]: carrier "trunk" is listed twice`},
		{"carrier is a list", "[trunk]", "[trunk, [trunk]]", "8:51: numbers.main.carriers[1]: expected text, and got a list"},
		{"more channels than there are", "[trunk]", "[trunk], channels: 21", `8:62: numbers.main.carriers[0]: a call holds 21 channels, and carrier "trunk" has 20`},
		{"channels of 0", "[trunk]", "[trunk], channels: 0", "8:62: numbers.main.channels: expected a whole number of at least 1"},
		{"any_region in words", "[trunk]", "[trunk], any_region: maybe", "8:64: numbers.main.any_region: expected true or false"},
		{"inbound_only in words", "[trunk]", "[trunk], inbound_only: 1", "8:66: numbers.main.inbound_only: expected true or false"},
		{"number's region unknown", "[trunk]", "[trunk], region: UK", "8:60: numbers.main.region: expected US, EU or APAC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, good, tt.replace)
			_, err := Parse("f.yaml", []byte(strings.Replace(good, tt.replace, tt.with, 1)))
			require.Equal(t, tt.want, listed(t, err))
		})
	}
}

func TestEveryMistakeIsListed(t *testing.T) {
	_, err := Parse("f.yaml", []byte(`organisations: {a: {concurrency_limit: 0}, b: {}}
numbers:
  main: {organisation: c, e164: "1", carriers: [x], channels: 0, colour: red}
agents: {greeter: {organisation: d, url: "no"}}
carriers: {pigeon: "carrier://pigeon"}
`))
	require.Equal(t, strings.TrimSpace(`
1:40: organisations.a.concurrency_limit: expected a whole number of at least 1
1:44: organisations.b.concurrency_limit: required: the most calls in flight at once
3:24: numbers.main.organisation: no organisation is called "c": expected one of a, b
3:33: numbers.main.e164: expected E.164 format, such as +14155550123: it does not begin with +
3:49: numbers.main.carriers[0]: no carrier is called "x": expected one of pigeon
3:63: numbers.main.channels: expected a whole number of at least 1
3:66: numbers.main.colour: unknown: expected any of organisation, e164, carriers, inbound_only, region, any_region, channels
4:34: agents.greeter.organisation: no organisation is called "d": expected one of a, b
4:42: agents.greeter.url: expected a WebSocket URL, such as wss://agents.example/greeter
5:20: carriers.pigeon: no carrier kind has the URL scheme "carrier": expected one of fake, test; is its package imported?
`), listed(t, err))
}

func TestErrorShowsPlaceAndLine(t *testing.T) {
	_, err := Parse("outdial.yaml", []byte(strings.NewReplacer("EU", "MARS", "[trunk]", "[trnk]").Replace(good)))
	require.EqualError(t, err, `outdial.yaml: 2 mistakes
outdial.yaml:2:41: organisations.demo.region: expected US, EU or APAC
     2 |   demo: {concurrency_limit: 40, region: MARS}
       |                                         ^
outdial.yaml:8:44: numbers.main.carriers[0]: no carrier is called "trnk": expected one of trunk
     8 |   main: {e164: "+442079460000", carriers: [trnk]}
       |                                            ^`)
}

func TestControlCharactersAndLongLinesAreNotShown(t *testing.T) {
	_, err := Parse("f.yaml", []byte("organisations: [\"\x1b[2J"+strings.Repeat("x", 1000)+"\"]\n"))
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 500)
}

// listed writes the mistakes without the lines of the file.
func listed(t *testing.T, err error) string {
	t.Helper()
	var ie *InvalidError
	require.ErrorAs(t, err, &ie)
	require.Equal(t, "f.yaml", ie.File)
	var lines []string
	for _, m := range ie.Mistakes {
		at := fmt.Sprintf("%d:%d: ", m.Line, m.Column)
		if m.Path != "" {
			at += m.Path + ": "
		}
		lines = append(lines, at+m.Message)
	}
	return strings.Join(lines, "\n")
}
