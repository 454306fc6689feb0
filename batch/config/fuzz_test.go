package config

import (
	"errors"
	"testing"
)

// FuzzParse finds texts on which Parse panics, answers with both or neither of a Config and
// mistakes, or with mistakes that stand nowhere.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		good, two, "", "[]", "a: &x {}\nb: *x\n", "? a\n: b\n", "a: |\n  b\n", "%YAML 1.2\n---\n",
		"organisations: {demo: {concurrency_limit: \"${A}$$\"}}", "carriers: {a: \"test://${A}:${B}@h?note=${A}\"}",
		"numbers: {a: {e164: +1, carriers: [x, [y], {z: 1}]}}", "a: !!binary x", "\xff: \x00", "a: 'b\n",
	} {
		f.Add([]byte(seed))
	}
	lookup := lookupIn(map[string]string{"A": "s3cr3t", "B": "1"})
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("f.yaml", text, lookup)
		if err == nil {
			closeAll(t, c)
			return
		}
		checkMistakes(t, err)
	})
}

func closeAll(t *testing.T, c *Config) {
	t.Helper()
	if len(c.Organisations()) == 0 {
		t.Error("a file without organisations was taken")
	}
	for _, d := range c.dialers {
		d.(*testDialer).fail = nil
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
