package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers/v2"

	"github.com/outdial/outdial/dialer"
)

// global is what libphonenumber calls the region of numbers that belong to no country, after the
// code for the world in UN M.49.
const global = "001"

// check tells whether the number may be called, leaving the hour's calls aside.
func (p *policy) check(to dialer.Phone) error {
	if _, err := dialer.ParsePhone(string(to)); err != nil {
		return &RefusedError{Impossible, "the number is none in E.164 format"}
	}
	n, err := phonenumbers.Parse(string(to), "")
	if err != nil {
		return &RefusedError{Impossible, "the number begins with no country code, or is too short"}
	}
	if err := neverCalled(n, string(to)); err != nil {
		return err
	}
	return p.allowed(n, string(to))
}

// neverCalled refuses what no rule can allow.
func neverCalled(n *phonenumbers.PhoneNumber, to string) error {
	code := int(n.GetCountryCode())
	kind := phonenumbers.GetNumberType(n)
	switch {
	case phonenumbers.GetRegionCodeForCountryCode(code) == global:
		return &RefusedError{Costly, fmt.Sprintf("+%d belongs to no country but to a satellite or global network", code)}
	case phonenumbers.Format(n, phonenumbers.E164) != to:
		// What was looked at is then not what would be dialled.
		return &RefusedError{Impossible, fmt.Sprintf(
			"the number has digits behind +%d that are dialled within the country only, such as a 0", code)}
	case kind == phonenumbers.UNKNOWN && phonenumbers.IsValidShortNumber(n):
		return &RefusedError{Short, shortNumber}
	case !phonenumbers.IsPossibleNumber(n):
		return &RefusedError{Impossible, fmt.Sprintf("the number has too few or too many digits for +%d", code)}
	case kind == phonenumbers.UNKNOWN && phonenumbers.IsPossibleShortNumber(n):
		return &RefusedError{Short, shortNumber}
	case isInformationService(to):
		kind = phonenumbers.PREMIUM_RATE
	}
	if name := costly(n, kind); name != "" {
		return &RefusedError{Costly, name + " are never called"}
	}
	return nil
}

// Some carriers put calls to such numbers through.
const shortNumber = "this is a short number with a country code before it"

// isInformationService finds numbers of exchange 976, which the North American plan sets aside
// for services that charge the caller, in every area (NANPA, central office code assignment
// guidelines). libphonenumber takes them for ordinary ones.
func isInformationService(to string) bool {
	const exchange = len("+1212")
	return strings.HasPrefix(to, "+1") && len(to) > exchange && strings.HasPrefix(to[exchange:], "976")
}

// costly names the kind of numbers where it is one that is never called; empty: it is none.
func costly(n *phonenumbers.PhoneNumber, kind phonenumbers.PhoneNumberType) string {
	switch kind { //nolint:exhaustive // the others cost what a call costs
	case phonenumbers.PREMIUM_RATE:
		return "premium-rate numbers"
	case phonenumbers.SHARED_COST:
		return "shared-cost numbers"
	case phonenumbers.PERSONAL_NUMBER:
		return "personal numbers"
	case phonenumbers.PAGER:
		return "pagers"
	case phonenumbers.VOICEMAIL:
		return "voicemail access numbers"
	case phonenumbers.UAN:
		if !slices.Contains(landlineUAN(), phonenumbers.GetRegionCodeForNumber(n)) {
			return "company numbers at a price of their own (UAN)"
		}
	}
	return ""
}

// landlineUAN are the countries whose numbers for companies cost what a call to a landline does:
// 03 by Ofcom's General Conditions, 0806 to 0809 by ARCEP's decision 2012-0856, 0818 by ComReg's
// numbering conditions of 2021, 088 by the Dutch Telecommunications Act.
func landlineUAN() []string { return []string{"FR", "GB", "IE", "NL"} }

// allowed looks for a rule that admits the number.
func (p *policy) allowed(n *phonenumbers.PhoneNumber, to string) error {
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(to[1:], prefix) {
			return nil
		}
	}
	region := phonenumbers.GetRegionCodeForNumber(n)
	switch {
	case region == "":
		return &RefusedError{Country, fmt.Sprintf("the number is in no known range of +%d", n.GetCountryCode())}
	case !p.regions[region]:
		return &RefusedError{Country, fmt.Sprintf("calls to %s are not allowed, only to %s", region, p.names())}
	case !phonenumbers.IsValidNumberForRegion(n, region):
		return &RefusedError{Country, "the number is in no known range of " + region}
	}
	return nil
}

// names lists what is allowed.
func (p *policy) names() string {
	const shown = 10
	if len(p.allow) > shown {
		return strings.Join(p.allow[:shown], ", ") + " and others"
	}
	return strings.Join(p.allow, ", ")
}

// block is what the number has in common with its neighbours.
func (p *policy) block(to dialer.Phone) uint64 {
	var digits uint64 // at most 15, as check has seen to
	for _, c := range []byte(to[1:max(len(to)-p.digits, 1)]) {
		digits = digits*10 + uint64(c-'0')
	}
	return digits
}

// tooMany refuses one call more to a block than there may be within an hour.
func (p *policy) tooMany(to dialer.Phone) error {
	return &RefusedError{Hourly, fmt.Sprintf("%d calls within an hour have gone to the numbers that differ from %v "+
		"in the last %d digits, which is the most there may be", p.hourly, to, p.digits)}
}
