package dialer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Phone is a telephone number in E.164 format: a plus sign, then 7 to 15 digits of
// which the first is not 0 (ITU-T E.164 allows at most 15; no country has numbers of
// fewer than 7 with its code). fmt and slog show it with its middle hidden; string(p) and
// JSON are the whole number.
type Phone string

const (
	minDigits = 7
	maxDigits = 15
)

// ParsePhone checks that s is in E.164 format. It removes nothing and adds nothing.
func ParsePhone(s string) (Phone, error) {
	if err := checkE164(s); err != nil {
		return "", err
	}
	return Phone(s), nil
}

// The errors do not repeat the number: they end up in logs.
func checkE164(s string) error {
	if s == "" {
		return errors.New("expected a number in E.164 format, such as +14155550123, and got nothing")
	}
	if s[0] != '+' {
		return errors.New("expected E.164 format, such as +14155550123: it does not begin with +")
	}
	for i, c := range s[1:] {
		if c < '0' || c > '9' {
			return fmt.Errorf("expected E.164 format, such as +14155550123: %q at position %d is no digit", c, i+2)
		}
	}
	if n := len(s) - 1; n < minDigits || n > maxDigits {
		return fmt.Errorf("expected E.164 format, such as +14155550123: it has %d digits, not %d to %d",
			n, minDigits, maxDigits)
	}
	if s[1] == '0' {
		return errors.New("expected E.164 format, such as +14155550123: no country code begins with 0")
	}
	return nil
}

// String hides the middle: +1415•••0123.
func (p Phone) String() string {
	const hidden, head, tail = "•••", 5, 4
	switch n := len(p); {
	case n == 0:
		return ""
	case n >= head+tail+2:
		return string(p[:head]) + hidden + string(p[n-tail:])
	case n > tail:
		return string(p[:2]) + hidden + string(p[n-2:])
	}
	return hidden
}

// GoString hides the middle, too.
func (p Phone) GoString() string { return fmt.Sprintf("dialer.Phone(%q)", p.String()) }

// Format hides the middle from every verb: for one that does not fit a string, such as
// %d, fmt would not ask String and print the whole number.
func (p Phone) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, p.GoString()) //nolint:errcheck,gosec // fmt.State has nobody to tell
		return
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), p.String())
}

// LogValue hides the middle from slog. A JSON handler does not ask it for numbers
// inside of other values, which it writes as JSON, whole.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.String()) }
