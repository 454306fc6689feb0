package guard

import (
	"fmt"
	"slices"
	"strconv"
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
		return refuse(Impossible, "the number is none in E.164 format")
	}
	n, err := phonenumbers.Parse(string(to), "")
	if err != nil {
		return refuse(Impossible, "the number begins with no country code, or is too short")
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
	hidden, isHidden := within(hiddenRanges, to[1:])
	service := northAmericanService(to[1:])
	switch {
	case phonenumbers.GetRegionCodeForCountryCode(code) == global:
		return refuse(Costly, fmt.Sprintf("+%d belongs to no country but to a satellite or global network", code))
	case isHidden:
		return never(hidden.what)
	case phonenumbers.Format(n, phonenumbers.E164) != to:
		// What was looked at is then not what would be dialled.
		return refuse(Impossible, fmt.Sprintf(
			"the number has digits behind +%d that are dialled within the country only, such as a 0", code))
	case kind == phonenumbers.UNKNOWN && phonenumbers.IsPossibleShortNumber(n):
		return refuse(Short, "this is a short number with a country code before it") // some carriers put it through
	case phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE: // enough within an area is not enough
		return refuse(Impossible, fmt.Sprintf("the number has too few or too many digits for +%d", code))
	case service != "":
		return never(service)
	case kind == phonenumbers.UNKNOWN:
		return misdialled(n)
	}
	if name := costly(n, kind); name != "" {
		return never(name)
	}
	return nil
}

func never(name string) error { return refuse(Costly, name+" are never called") }

// misdialled refuses a number of no known kind that would be one which is never called if it had fewer digits, or
// a few more. A switch that has the digits it needs ignores what follows, and connects; and the metadata
// may be wrong in how many digits such a range has.
func misdialled(n *phonenumbers.PhoneNumber) error {
	code, digits := n.GetCountryCode(), phonenumbers.GetNationalSignificantNumber(n)
	if beginsWithInquiries(int(code), digits) {
		return refuse(Short, "the number begins with a short number, that of directory inquiries")
	}
	const more = "00"
	padded := digits + more
	for end := len(padded); end > 1; end-- {
		other, err := phonenumbers.Parse(fmt.Sprintf("+%d%s", code, padded[:end]), "")
		if err != nil {
			continue // too short for any
		}
		if name := costly(other, phonenumbers.GetNumberType(other)); name != "" {
			return refuse(Costly, "the number begins as "+name+" do, which are never called")
		}
	}
	return nil
}

// beginsWithInquiries finds 118, which European plans have for directory inquiries (CEPT, ECTRA/REC(97)01), but
// Britain's also for the landlines of Reading.
func beginsWithInquiries(code int, digits string) bool {
	const britain = 44
	zone := strconv.Itoa(code)[0]
	return (zone == '3' || zone == '4') && code != britain && strings.HasPrefix(digits, "118")
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
	enclave, isEnclave := within(enclaves, to[1:])
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(to[1:], prefix) && len(prefix) >= len(enclave.prefix) {
			return nil
		}
	}
	region := phonenumbers.GetRegionCodeForNumber(n)
	switch {
	case isEnclave:
		return refuse(Country, fmt.Sprintf("calls to %s are not allowed, only to %s; +%s would allow them",
			enclave.what, p.names(), enclave.prefix))
	case region == "":
		return refuse(Country, fmt.Sprintf("the number is in no known range of +%d", n.GetCountryCode()))
	case !p.regions[region]:
		return refuse(Country, fmt.Sprintf("calls to %s are not allowed, only to %s", region, p.names()))
	case !phonenumbers.IsValidNumberForRegion(n, region):
		return refuse(Country, "the number is in no known range of "+region)
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

// block is what the number, which check lets through, has in common with its neighbours: what is left without its
// last digits. No number begins with 0, so numbers of different length are of different blocks.
func block(to dialer.Phone, ignored int) uint64 {
	var digits uint64
	for _, c := range []byte(to[1:max(len(to)-ignored, 1)]) {
		digits = digits*10 + uint64(c-'0')
	}
	return digits
}

// tooMany refuses one call more to a block than there may be within an hour.
func (p *policy) tooMany(to dialer.Phone) error {
	return refuse(Hourly, fmt.Sprintf("%d calls within an hour have gone to the numbers that differ from %v "+
		"in the last %d digits, which is the most there may be", p.hourly, to, p.digits))
}
