package csvfile

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object writes a JSON object whose members stand in the order of the columns, which a
// map would lose. It returns nil for no members.
func object(names, values []string) (json.RawMessage, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	for i, name := range names {
		b.WriteByte("{,"[min(i, 1)])
		if err := appendString(&b, name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := appendString(&b, values[i]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// appendString leaves < > & as they are: nothing here ends up in a web page.
func appendString(b *bytes.Buffer, s string) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("csvfile: writing metadata: %w", err)
	}
	b.Truncate(b.Len() - 1) // the line break that Encode adds
	return nil
}

// member is one entry of a JSON object.
type member struct{ name, value string }

// members takes an object apart in its own order. A string is given as its text, anything
// else as the JSON that it is.
func members(metadata json.RawMessage) ([]member, error) {
	if len(metadata) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(metadata))
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil, fmt.Errorf("csvfile: reading metadata: %w", err)
	}
	var out []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("csvfile: reading metadata: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("csvfile: reading metadata: %w", err)
		}
		out = append(out, member{fmt.Sprint(name), text(value)})
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, fmt.Errorf("csvfile: reading metadata: %w", err)
	}
	return out, nil
}

func text(value json.RawMessage) string {
	var s string
	if err := json.Unmarshal(value, &s); err == nil && value[0] == '"' {
		return s
	}
	return string(value)
}
