package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is printed of each broken file into its golden file")

const brokenDir = "testdata/broken"

// environment is what the broken files find. What SECRET stands for must never be shown.
func environment() map[string]string {
	return map[string]string{"SECRET": "hunter2", "EMPTY": "", "COUNTRY": "UK", "TRUNK": "trunk"}
}

// TestBrokenFiles compares all that is printed of each file, the lines that are shown included.
func TestBrokenFiles(t *testing.T) {
	files := stems(t, ".yaml")
	require.GreaterOrEqual(t, len(files), 60)
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(brokenDir, name+".yaml"))
			require.NoError(t, err)
			_, err = parse(name+".yaml", text, lookupIn(environment()))
			var invalid *InvalidError
			require.ErrorAs(t, err, &invalid)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "user:pw")
			golden := filepath.Join(brokenDir, name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), invalid.Error()+"\n")
		})
	}
}

func TestEveryBrokenFileHasItsMessageAndNoMessageIsLeftOver(t *testing.T) {
	require.Equal(t, stems(t, ".yaml"), stems(t, ".golden"))
	all, err := os.ReadDir(brokenDir)
	require.NoError(t, err)
	require.Len(t, all, 2*len(stems(t, ".yaml")), "and there is nothing else")
}

// stems lists the files of one kind without their extension, sorted.
func stems(t *testing.T, extension string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(brokenDir, "*"+extension))
	require.NoError(t, err)
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), extension)
	}
	return files
}

// A file without a mistake.
const good = `organisations:
  demo: {concurrency_limit: 40, region: EU}
agents:
  greeter: {url: "wss://agents.example/greeter"}
carriers:
  trunk: "test://user:pw@sip.example?channels=20"
numbers:
  main: {e164: "+442079460000", carriers: [trunk]}
guard: {allow: [GB, US]}
`

func TestAFileThatIsTooLarge(t *testing.T) {
	_, err := Parse("f.yaml", []byte(good+strings.Repeat("#", MaxSize)))
	require.Equal(t, "1:1: the file has more than 1048576 bytes", listed(t, err))
}

func TestEveryMistakeIsListed(t *testing.T) {
	_, err := Parse("f.yaml", []byte(`organisations: {a: {concurrency_limit: 0}, b: {}}
numbers:
  main: {organisation: c, e164: "1", carriers: [x], channels: 0, colour: red}
agents: {greeter: {organisation: d, url: "no"}}
carriers: {pigeon: "carrier://pigeon"}
guard: {allow: [UK]}
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
5:20: carriers.pigeon: no carrier kind has the URL scheme "carrier": expected one of fake, sip, sips, test, twilio; is its package imported?
6:17: guard.allow[0]: "UK": the code of the United Kingdom is GB
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
