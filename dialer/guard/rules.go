package guard

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers/v2"
)

// The defaults of [Rules].
const (
	DefaultBlock  = 3
	DefaultHourly = 200
)

// MaxBlock leaves something of a number to tell blocks apart.
const MaxBlock = 9

// Rules say what may be called.
type Rules struct {
	// Allow lists what may be called: countries by their ISO 3166-1 code, such as GB, US and CA, and
	// prefixes of numbers in E.164 format, such as +44 and +1212. +1 and +7 alone, and +1 with
	// less than an area code, cover several countries and are refused. Other codes that are shared
	// are taken as they are: +44 admits Jersey too, and GB does not. Required.
	Allow []string

	// Block is how many of a number's last digits are ignored to tell which block it belongs to,
	// 1 to 9. 0: DefaultBlock, which makes blocks of 1,000 numbers.
	Block int

	// Hourly is the most calls that are placed to one block within any hour, over all guards of a [Ledger]
	// in this process. A call that is refused, here or by the carrier, does not count. A call above it is
	// refused for good like any other, not put off: a fraud would go on all night at the pace that is allowed, and
	// an honest batch that meets it is told at once, and may be retried. Only while calls under way, which may
	// not come to be placed, are what makes it too many is it put off. 0: DefaultHourly. Negative: no limit.
	Hourly int
}

// policy is what is made of rules to be applied quickly.
type policy struct {
	allow    []string // as it was given, for messages
	regions  map[string]bool
	prefixes []string // without +
	digits   int      // of a number, to be ignored
	hourly   int      // 0: no limit
}

// WithDefaults returns the rules with what was left out filled in.
func (r Rules) WithDefaults() Rules {
	r.Block, r.Hourly = cmp.Or(r.Block, DefaultBlock), cmp.Or(r.Hourly, DefaultHourly)
	return r
}

func (r Rules) compile() (*policy, error) {
	r = r.WithDefaults()
	if r.Block < 0 || r.Block > MaxBlock {
		return nil, fmt.Errorf("guard: block %d: expected 1 to %d digits", r.Block, MaxBlock)
	}
	if len(r.Allow) == 0 {
		return nil, errors.New("guard: allow: expected at least one country, such as GB, or prefix, such as +44")
	}
	p := &policy{
		allow: slices.Clone(r.Allow), regions: map[string]bool{},
		digits: r.Block, hourly: max(r.Hourly, 0),
	}
	for _, rule := range r.Allow {
		if err := CheckAllow(rule); err != nil {
			return nil, fmt.Errorf("guard: allow: %w", err)
		}
		if digits, ok := strings.CutPrefix(rule, "+"); ok {
			p.prefixes = append(p.prefixes, digits)
		} else {
			p.regions[rule] = true
		}
	}
	return p, nil
}

// CheckAllow says what is wrong with one entry of [Rules].Allow; nil: nothing.
func CheckAllow(rule string) error {
	if digits, ok := strings.CutPrefix(rule, "+"); ok {
		return checkPrefix(rule, digits)
	}
	known := phonenumbers.GetSupportedRegions()
	upper := strings.ToUpper(rule)
	switch {
	case known[rule]:
		return nil
	case known[upper]:
		return fmt.Errorf("%q: country codes are written in capitals: expected %s", rule, upper)
	case upper == "UK":
		return fmt.Errorf("%q: the code of the United Kingdom is GB", rule)
	case rule != "" && strings.Trim(rule, "0123456789") == "":
		return fmt.Errorf("%.20q: a prefix begins with +", rule)
	}
	return fmt.Errorf("%.20q: expected a country by its ISO 3166-1 code, such as GB, or a prefix such as +44", rule)
}

const (
	mostDigits = 15 // ITU-T E.164, section 6.1
	areaCode   = 3  // digits, in the countries of +1
)

func checkPrefix(rule, digits string) error {
	switch {
	case digits == "" || strings.Trim(digits, "0123456789") != "" || len(digits) > mostDigits:
		return fmt.Errorf("%.20q: expected + and at most %d digits", rule, mostDigits)
	case digits == "1" || digits == "7":
		return coversSeveral(rule)
	case digits[0] == '1' && len(digits) < 1+areaCode:
		return fmt.Errorf("%q covers several countries: expected a whole area code, such as +1212", rule)
	}
	code := countryCode(digits)
	switch {
	case code == 0:
		return fmt.Errorf("%.20q begins with no country code", rule)
	case phonenumbers.GetRegionCodeForCountryCode(code) == global:
		return fmt.Errorf("%q is a satellite or global network, which is never called", rule)
	}
	if hidden, ok := within(hiddenRanges, digits); ok {
		return fmt.Errorf("%q: %s are never called", rule, hidden.what)
	}
	return nil
}

func coversSeveral(rule string) error {
	among, one, longer := "US, CA, JM and DO", "US", "+1212"
	if rule == "+7" {
		among, one, longer = "RU and KZ", "RU", "+79"
	}
	return fmt.Errorf("%q covers several countries, %s among them: expected countries, such as %s, "+
		"or more digits, such as %s", rule, among, one, longer)
}

// countryCode is the country code that digits begin with; no code begins with another. 0: none.
func countryCode(digits string) int {
	const longest = 3
	codes := phonenumbers.GetSupportedCallingCodes()
	for n := 1; n <= min(longest, len(digits)); n++ {
		if code, err := strconv.Atoi(digits[:n]); err == nil && digits[0] != '0' && codes[code] {
			return code
		}
	}
	return 0
}
