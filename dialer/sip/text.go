package sip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const maxValue = 1024 // bytes of a header's value that comes from outside

// checkValue refuses what would begin another header, or end the message.
func checkValue(s string) error {
	if len(s) > maxValue {
		return fmt.Errorf("it has %d bytes, not at most %d", len(s), maxValue)
	}
	for i, r := range s {
		if r < ' ' && r != '\t' || r == 0x7f {
			return fmt.Errorf("the character %U at byte %d cannot be part of a header", r, i)
		}
	}
	return nil
}

// checkUserPart takes what may be the number dialled: RFC 3261, section 25.1, user, without
// what would have to be escaped.
func checkUserPart(s string) error {
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune("+-_.*!", r):
		default:
			return fmt.Errorf("the character %U at position %d cannot be part of a number", r, i+1)
		}
	}
	return nil
}

func checkHost(s string) error {
	if s == "" {
		return errors.New("there is none")
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '.', r == '_':
		default:
			return fmt.Errorf("%q is no name and no address", s)
		}
	}
	return nil
}

// checkAllowed looks at Config.Headers.
func checkAllowed(headers map[string]string) error {
	seen := map[string]bool{}
	for key, name := range headers {
		if seen[strings.ToLower(name)] {
			return fmt.Errorf("sip: two pieces of metadata go into the header %q", name)
		}
		seen[strings.ToLower(name)] = true
		if len(name) < 3 || !strings.EqualFold(name[:2], "X-") || !isToken(name) {
			return fmt.Errorf("sip: header %q for metadata %q: expected a name that begins with X-", name, key)
		}
	}
	return nil
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-.!%*_+`'~", r)
	})
}

// quoted writes a display name so that it stays one: RFC 3261, section 25.1, quoted-string.
func quoted(s string) string {
	if !strings.ContainsAny(s, `\"`) {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// valuesOf reads the metadata that goes into headers, by the header's name.
func valuesOf(metadata json.RawMessage, headers map[string]string) (map[string]string, error) {
	if len(metadata) == 0 || len(headers) == 0 {
		return nil, nil //nolint:nilnil // no headers
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(metadata, &all); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	values := map[string]string{}
	for key, name := range headers {
		raw, ok := all[key]
		if !ok || bytes.Equal(raw, []byte("null")) {
			continue
		}
		value, err := scalar(raw)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", key, err)
		}
		values[name] = value
	}
	return values, nil
}

func scalar(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '{', '[':
		return "", errors.New("expected a text, a number, true or false")
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", err
		}
		return s, checkValue(s)
	}
	return string(raw), checkValue(string(raw))
}

// causeOf reads the Q.850 cause from a Reason header (RFC 3326), or returns "".
func causeOf(reason string) string {
	for _, value := range splitQuoted(reason, ',') {
		parts := splitQuoted(value, ';')
		if !strings.EqualFold(strings.TrimSpace(parts[0]), "Q.850") {
			continue
		}
		for _, param := range parts[1:] {
			name, cause, _ := strings.Cut(param, "=")
			cause = strings.Trim(strings.TrimSpace(cause), `"`)
			if _, err := strconv.ParseUint(cause, 10, 8); err == nil && strings.EqualFold(strings.TrimSpace(name), "cause") {
				return cause
			}
		}
	}
	return ""
}

// splitQuoted splits at the separator, but not inside a quoted-string.
func splitQuoted(s string, separator byte) []string {
	var parts []string
	begin, inQuotes := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case inQuotes && s[i] == '\\':
			i++
		case s[i] == '"':
			inQuotes = !inQuotes
		case s[i] == separator && !inQuotes:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

// secondsOf reads the number that a header such as Retry-After begins with, up to a day.
func secondsOf(s string) (uint32, bool) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseUint(s[:end], 10, 32)
	if err != nil {
		return 0, false
	}
	const day = 24 * 60 * 60
	return uint32(min(n, day)), true
}

// hasToken says whether a list such as that of Require has the token.
func hasToken(list, token string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(one), token) {
			return true
		}
	}
	return false
}

// validText leaves out control characters and what is no UTF-8.
func validText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
