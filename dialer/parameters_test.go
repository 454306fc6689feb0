package dialer_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/dialer"
)

func TestParameters(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 497)
	metadata, err := json.Marshal(map[string]any{
		"fits": long[:496], "long": long, "call": "no", "null": nil, "list": []string{"x"}, "": "x", "ü": "é",
	})
	require.NoError(t, err)
	p := dialer.Parameters(dialer.Call{
		ID: "ac_1", Org: "o", Batch: "b", Recipient: "r", Attempt: 2, Metadata: metadata,
	})
	require.Equal(t, map[string]string{
		"call": "ac_1", "org": "o", "batch": "b", "recipient": "r", "attempt": "2", "fits": long[:496], "ü": "é",
	}, p)
	for _, metadata := range []string{"", "null", "[]", "{", `"x"`} {
		require.Len(t, dialer.Parameters(dialer.Call{Metadata: json.RawMessage(metadata)}), 5)
	}
	many := make(map[string]string)
	for i := range 20 {
		many[fmt.Sprintf("%02d", i)] = strings.Repeat("<", 100) // four characters each in XML
	}
	metadata, err = json.Marshal(many)
	require.NoError(t, err)
	require.Len(t, dialer.Parameters(dialer.Call{Metadata: metadata}), 5+6, "the document has to have room for them")
}

// TestParametersFitIntoADocument compares what Parameters believes to be the length of XML with what
// encoding/xml makes of it.
func TestParametersFitIntoADocument(t *testing.T) {
	t.Parallel()
	odd := rapid.StringOf(rapid.OneOf(
		rapid.SampledFrom([]rune("<>&\"'\t\n\r\x00\x1f\u0085\ufffd\ufffe\uffff\U0001F600")), rapid.Rune(),
	))
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOfN(odd, odd, 0, 40).Draw(t, "members")
		metadata, err := json.Marshal(members)
		require.NoError(t, err)
		var read map[string]string
		require.NoError(t, json.Unmarshal(metadata, &read))
		p := dialer.Parameters(dialer.Call{ID: "ac_1", Metadata: metadata})
		size := 0
		for name, value := range p {
			size += sizeInXML(name, value)
		}
		require.LessOrEqual(t, size, 3000)
		for name, value := range read {
			if _, isIn := p[name]; isIn || name == "" || len([]rune(name+value)) > 500 {
				continue
			}
			require.Greater(t, size+sizeInXML(name, value), 3000, "there was room for it")
		}
	})
}

func sizeInXML(name, value string) int {
	var b strings.Builder
	b.WriteString(`<Parameter name="" value=""/>`)
	_ = xml.EscapeText(&b, []byte(name))
	_ = xml.EscapeText(&b, []byte(value))
	return b.Len()
}
