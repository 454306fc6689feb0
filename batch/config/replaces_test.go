package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestANewCarrierIsToldWhomItReplaces(t *testing.T) {
	f, e := openFile(t, three), &engine{}
	old := f.Dialers()["one"]
	_, err := f.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) { return e.set(dialers) })
	require.NoError(t, err)
	require.Nil(t, opened(t, f.Config(), "one").replaced)
	f.write(strings.NewReplacer("test://one", "test://other", "numbers:", "  four: \"test://four\"\nnumbers:").Replace(three))
	_, err = f.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
		d, ok := dialer.As[*testDialer](dialers["one"])
		require.True(t, ok)
		require.Same(t, old, d.replaced, "before it is used")
		return e.set(dialers)
	})
	require.NoError(t, err)
	require.Nil(t, opened(t, f.Config(), "four").replaced)
}

func TestACarrierThatComesBackIsToldWhomItReplaces(t *testing.T) {
	for name, meanwhile := range map[string][]string{
		"there was none":      {""},
		"it was another kind": {"  one: \"fake://\"\n"},
		"it was two others":   {"  one: \"fake://\"\n", "  one: \"fake://?speed=2\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f, e := openFile(t, strings.Replace(three, "[one, two]", "[two]", 1)), &engine{}
			const line = "  one: \"test://one\"\n"
			first := f.Dialers()["one"]
			for _, other := range meanwhile {
				f.write(strings.NewReplacer("[one, two]", "[two]", line, other).Replace(three))
				_, err := f.Reload(e.set)
				require.NoError(t, err)
			}
			f.write(three)
			_, err := f.Reload(e.set)
			require.NoError(t, err)
			require.Same(t, first, opened(t, f.Config(), "one").replaced, "its calls go on")
			second := f.Dialers()["one"]
			_, err = f.change(e, "test://one", "test://third")
			require.NoError(t, err)
			require.Same(t, second, opened(t, f.Config(), "one").replaced, "who knows of the first")
		})
	}
}
