package config

import (
	"errors"
	"testing"

	"github.com/outdial/outdial/dialer"
)

// FuzzParse finds texts on which Parse panics, answers with both or neither of a Config and
// mistakes, or with mistakes that stand nowhere.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		good, two, "", "[]", "a: &x {}\nb: *x\n", "? a\n: b\n", "a: |\n  b\n", "%YAML 1.2\n---\n",
		"organisations: {demo: {concurrency_limit: \"${A}$$\"}}", "carriers: {a: \"test://${A}:${B}@h?note=${A}\"}",
		"numbers: {a: {e164: +1, carriers: [x, [y], {z: 1}]}}", "a: !!binary x",
		guarding, three, "guard: {allow: [+1, {a: b}], block: ~, hourly: none}", "carriers: {a: {url: [x], guard: {}}, b: {guard: off}}",
		"numbers: {a: {carriers: {x: 1, ~: 2, [y]: 3}}}", "\xff: \x00", "a: 'b\n",
	} {
		f.Add([]byte(seed))
	}
	lookup := lookupIn(map[string]string{"A": "s3cr3t", "B": "1"})
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("f.yaml", text, lookup)
		if err == nil {
			closeTaken(t, c)
			return
		}
		checkMistakes(t, err)
	})
}

func closeTaken(t *testing.T, c *Config) {
	t.Helper()
	if len(c.Organisations()) == 0 {
		t.Error("a file without organisations was taken")
	}
	for name := range c.carriers {
		if d, ok := dialer.As[*testDialer](c.carriers[name].Dialer); ok {
			d.fail = nil
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func checkMistakes(t *testing.T, err error) {
	t.Helper()
	var ie *InvalidError
	if !errors.As(err, &ie) || len(ie.Mistakes) == 0 || ie.Error() == "" {
		t.Fatalf("got %v, not a list of mistakes", err)
	}
	for _, m := range ie.Mistakes {
		if m.Line < 1 || m.Column < 1 || m.Message == "" {
			t.Errorf("a mistake without a place or a message: %+v", m)
		}
	}
}
