package twilio

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"

	"github.com/outdial/outdial/dialer"
)

// parameter is what an agent is told of a call.
type parameter struct{ name, value string }

// parametersOf are those of every carrier, in the order of their names.
func parametersOf(call dialer.Call) []parameter {
	set := dialer.Parameters(call)
	all := make([]parameter, 0, len(set)+1)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		all = append(all, parameter{name, set[name]})
	}
	return all
}

// escape makes any text safe inside of an XML attribute. What XML cannot have at all becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck,gosec // a Builder does not fail
	return b.String()
}
