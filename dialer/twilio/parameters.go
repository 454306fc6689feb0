package twilio

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/outdial/outdial/dialer"
)

const (
	// maxParameter is how many characters a parameter's name and value may have together.
	maxParameter = 500

	// maxParameters is how much all of them may take as XML.
	maxParameters = 3000

	parameterTag = `<Parameter name="" value=""/>`
)

// parameter is what an agent is told of a call.
type parameter struct{ name, value string }

// parametersOf are those that package sip/bridge documents, in the order of their names, so that an
// agent is told the same on every carrier. A test compares the two.
func parametersOf(call dialer.Call) []parameter {
	set := map[string]string{
		"call": call.ID, "org": call.Org, "batch": call.Batch, "recipient": call.Recipient,
		"attempt": strconv.Itoa(call.Attempt),
	}
	size := 0
	for name, value := range set {
		size += sizeOf(name, value)
	}
	members := textsOf(call.Metadata)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		_, isTaken := set[name]
		isLong := utf8.RuneCountInString(name)+utf8.RuneCountInString(value) > maxParameter
		added := sizeOf(name, value)
		if name != "" && !isTaken && !isLong && size+added <= maxParameters {
			set[name] = value
			size += added
		}
	}
	all := make([]parameter, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		all = append(all, parameter{name, set[name]})
	}
	return all
}

// textsOf are the members of metadata that are strings.
func textsOf(metadata json.RawMessage) map[string]string {
	var members map[string]json.RawMessage
	if json.Unmarshal(metadata, &members) != nil {
		return nil
	}
	texts := map[string]string{}
	for name, raw := range members {
		var value *string
		if json.Unmarshal(raw, &value) == nil && value != nil {
			texts[name] = *value
		}
	}
	return texts
}

func sizeOf(name, value string) int {
	return len(parameterTag) + len(escape(name)) + len(escape(value))
}

// escape makes any text safe inside of an XML attribute. What XML cannot have at all becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck,gosec // a Builder does not fail
	return b.String()
}
