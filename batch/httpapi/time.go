package httpapi

import (
	"errors"
	"time"
)

// errTime says what a time should look like.
var errTime = errors.New("expected a time as of RFC 3339 with its offset, such as 2026-06-15T16:00:00Z")

// parseTime reads a time as of RFC 3339, section 5.6, from the year 1970 on. It takes upper-case
// T and Z only, and no second 60: clocks that smear leap seconds have none. time.Parse takes
// more, such as a comma for the point and offsets of 40 hours.
func parseTime(s string) (time.Time, error) {
	if !looksLikeTime(s) {
		return time.Time{}, errTime
	}
	t, err := time.Parse(time.RFC3339, s) // which knows the calendar
	if err != nil {
		return time.Time{}, errTime
	}
	const firstYear, lastYear = 1970, 9999 // before, 0001-01-01T00:00:00Z is no time at all; behind, none can be written
	if t = t.UTC(); t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, errors.New("expected a time from the year 1970 to 9999")
	}
	return t, nil
}

func looksLikeTime(s string) bool {
	const seconds = "0000-00-00T00:00:00"
	if len(s) <= len(seconds) || !shaped(s[:len(seconds)], seconds) {
		return false
	}
	rest := s[len(seconds):]
	if rest[0] == '.' {
		digits := 1
		for digits < len(rest) && isDigit(rest[digits]) {
			digits++
		}
		if digits == 1 {
			return false
		}
		rest = rest[digits:]
	}
	return rest == "Z" || (shaped(rest, "+00:00") || shaped(rest, "-00:00")) && rest[1:3] <= "23" && rest[4:] <= "59"
}

// shaped says that s is like the pattern, in which 0 stands for any digit.
func shaped(s, pattern string) bool {
	if len(s) != len(pattern) {
		return false
	}
	for i := range len(s) {
		if s[i] != pattern[i] && (pattern[i] != '0' || !isDigit(s[i])) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
