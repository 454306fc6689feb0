package bridge

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
	// maxParameter is how many characters a parameter's name and value may have together
	// (Twilio's limit).
	maxParameter = 500

	// maxParameters is how much all of them may take as XML: Twilio takes a document of 4,000
	// characters, of which the rest needs some.
	maxParameters = 3000

	parameterTag = `<Parameter name="" value=""/>`
)

// Parameters is what an agent is told of a call, by whichever carrier it is made: its call,
// org, batch, recipient and attempt, and each member of its metadata that is a string, is
// not named as one of those, has at most 500 characters with its name, and
// still fits, in the order of the names, in what Twilio carries.
func Parameters(call dialer.Call) map[string]string {
	parameters := map[string]string{
		"call": call.ID, "org": call.Org, "batch": call.Batch, "recipient": call.Recipient,
		"attempt": strconv.Itoa(call.Attempt),
	}
	size := 0
	for name, value := range parameters {
		size += cost(name, value)
	}
	members := stringsOf(call.Metadata)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		added := cost(name, value)
		_, isOurs := parameters[name]
		isLong := utf8.RuneCountInString(name)+utf8.RuneCountInString(value) > maxParameter
		if isOurs || isLong || name == "" || size+added > maxParameters {
			continue
		}
		parameters[name] = value
		size += added
	}
	return parameters
}

// stringsOf leaves out what is no string.
func stringsOf(metadata json.RawMessage) map[string]string {
	var members map[string]json.RawMessage
	if json.Unmarshal(metadata, &members) != nil {
		return nil
	}
	found := make(map[string]string)
	for name, raw := range members {
		var value *string
		if json.Unmarshal(raw, &value) == nil && value != nil {
			found[name] = *value
		}
	}
	return found
}

// cost is the length of the parameter in XML.
func cost(name, value string) int { return len(parameterTag) + escaped(name) + escaped(value) }

func escaped(s string) int {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) //nolint:errcheck,gosec // a Builder does not fail
	return b.Len()
}
