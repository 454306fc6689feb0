package dialer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
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

// Parameters is what an agent is told of its call, by whichever carrier it is made: the call's
// call (its id), org, batch, recipient and attempt, and each member of its metadata that is a string, is
// not named as one of those, has at most 500 characters with its name, and
// still fits, in the order of the names, in what Twilio carries. An agent gets them as
// start.customParameters of a media stream.
func Parameters(c Call) map[string]string {
	p := map[string]string{
		"call": c.ID, "org": c.Org, "batch": c.Batch, "recipient": c.Recipient,
		"attempt": strconv.Itoa(c.Attempt),
	}
	size := 0
	for name, value := range p {
		size += parameterSize(name, value)
	}
	members := stringsIn(c.Metadata)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		_, isTaken := p[name]
		isLong := utf8.RuneCountInString(name)+utf8.RuneCountInString(value) > maxParameter
		added := parameterSize(name, value)
		if name == "" || isTaken || isLong || size+added > maxParameters {
			continue
		}
		p[name] = value
		size += added
	}
	return p
}

// stringsIn are the members of metadata that are strings.
func stringsIn(metadata json.RawMessage) map[string]string {
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

func parameterSize(name, value string) int {
	return len(parameterTag) + escapedSize(name) + escapedSize(value)
}

// escapedSize is how many bytes s takes in an attribute as encoding/xml writes it, which the engine
// should not link for the sake of a length.
func escapedSize(s string) int {
	const (
		numeric  = len("&#34;")
		named    = len("&lt;")
		replaced = len("\uFFFD")
	)
	size := 0
	for _, r := range s { // a byte that is no UTF-8 is U+FFFD, which it becomes
		switch {
		case r == '<' || r == '>':
			size += named
		case r == '"' || r == '\'' || r == '&' || r == '\t' || r == '\n' || r == '\r':
			size += numeric
		case r < ' ' || r == 0xFFFE || r == 0xFFFF: // XML cannot have it
			size += replaced
		default:
			size += utf8.RuneLen(r)
		}
	}
	return size
}
