package guard

import (
	"slices"
	"strings"
)

// numberRange is a range of numbers that libphonenumber takes for ordinary ones of their country.
type numberRange struct {
	prefix string // in E.164 format, without +
	what   string // for a message
	source string // who says so; libphonenumber: a comment in its own metadata
}

// hiddenRanges are what is never called, though it looks like a number of a country: most are satellite phones,
// whose calls cost what those to +881 do.
//
//nolint:gochecknoglobals // a table, never written to
var hiddenRanges = []numberRange{
	{"1600", "satellite and other non-geographic numbers of Canada", "CRTC, Telecom Decision 2006-41 (NPA 600 guideline)"},
	{"1622", "non-geographic numbers of Canada", "Canadian Numbering Plan and Dialling Plan: to relieve 600"},
	{"1633", "non-geographic numbers of Canada", "as 622"},
	{"1644", "non-geographic numbers of Canada", "as 622"},
	{"1655", "non-geographic numbers of Canada", "as 622"},
	{"1677", "non-geographic numbers of Canada", "as 622"},
	{"1688", "non-geographic numbers of Canada", "as 622"},
	{"21259240", "satellite numbers", "libphonenumber, MA: VSAT"},
	{"21259241", "satellite numbers", "libphonenumber, MA: VSAT"},
	{"21259242", "satellite numbers", "libphonenumber, MA: VSAT"},
	{"21259293", "satellite numbers", "libphonenumber, MA: VSAT"},
	{"25006", "satellite numbers", "libphonenumber, RW: satellite numbers of the plan told to the ITU"},
	{"25889", "satellite numbers", "libphonenumber, MZ: operator GMPCS, by the plan told to the ITU"},
	{"26122", "satellite numbers", "libphonenumber, MG: VSAT"},
	{"3363800", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3364000", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3364001", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3364002", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3364003", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3364004", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3375076", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"3375077", "satellite numbers", "libphonenumber, FR: operator Globalstar Europe, by Arcep's list"},
	{"52200", "satellite numbers", "libphonenumber, MX: fixed satellite service"},
	{"52201", "satellite numbers", "libphonenumber, MX: fixed satellite service"},
	{"54670", "satellite numbers", "libphonenumber, AR: fixed satellite service"},
	{"54675", "satellite numbers", "libphonenumber, AR: mobile satellite service"},
	{"549675", "satellite numbers", "as 54675, with the 9 of a mobile number"},
	{"61145", "satellite numbers", "Thuraya charging bands: Australia Sat +61145, beside Inmarsat and Iridium"},
	{"61147", "satellite numbers", "Thuraya charging bands: Australia Sat +61147, beside Inmarsat and Iridium"},
	{"614201", "satellite numbers", "libphonenumber, AU: operator Pivotel Satellite"},
	{"614800", "satellite numbers", "libphonenumber, AU: operator Pivotel Satellite"},
	{"614808", "satellite numbers", "libphonenumber, AU: operator Pivotel Satellite"},
	{"614858", "satellite numbers", "libphonenumber, AU: operator Pivotel Satellite"},
	{"614899", "satellite numbers", "libphonenumber, AU: operator Pivotel Satellite"},
	{"62868", "satellite numbers", "0868 for ACeS; libphonenumber, ID: mobile, of no named operator"},
	{"67520", "satellite numbers", "libphonenumber, PG: satellite numbers of the plan told to the ITU"},
	{"67527", "satellite numbers and pagers", "libphonenumber, PG: satellite numbers of the plan told to the ITU"},
	{"692635", "satellite numbers", "libphonenumber, MH: DAMA service for the outer islands"},
	{"7954", "satellite numbers", "GlobalTel, the operator of Globalstar in Russia; Thuraya charging bands: Russia +7954"},
	{"84672", "satellite numbers", "libphonenumber, VN: VSAT, by the plan told to the ITU"},
	{"861349", "satellite numbers", "China's terms of number portability, 2019: satellite service 1349"},
	{"86174", "satellite numbers", "China's terms of number portability, 2019: satellite service 174"},
	{"90592", "satellite numbers", "libphonenumber, TR: GMPCS, by the plan told to the ITU"},
}

// enclaves are places that have numbers of a country and are not what somebody means who allows it: what calls there
// cost is not the country's price. A prefix of their own allows them.
//
//nolint:gochecknoglobals // a table, never written to
var enclaves = []numberRange{
	{"390549", "San Marino, whose code is +378", "libphonenumber, SM: area code 0549 of Italy's plan"},
	{"64240", "Scott Base in Antarctica", "libphonenumber, NZ: range 240, by New Zealand's number administrator"},
	{"6721", "Australia's bases in Antarctica", "libphonenumber, NF: Davis, Mawson, Casey, Macquarie Island"},
	{"7840", "Abkhazia", "memorandum of 28 September 2009 on codes 840 and 940 (Interfax)"},
	{"7940", "Abkhazia", "memorandum of 28 September 2009 on codes 840 and 940 (Interfax)"},
}

// within finds the range that digits, which are a number or the beginning of one, belong to.
func within(ranges []numberRange, digits string) (numberRange, bool) {
	i := slices.IndexFunc(ranges, func(r numberRange) bool { return strings.HasPrefix(digits, r.prefix) })
	if i < 0 {
		return numberRange{}, false
	}
	return ranges[i], true
}

// northAmericanService names what a number of +1 is where it is an ordinary one but for its exchange; empty: nothing.
// The North American plan sets exchange 976 aside in every area for services that charge the caller, and line
// 555-1212 for directory assistance (NANPA, central office code and 555 line number assignment guidelines).
func northAmericanService(digits string) string {
	const area = len("1212")
	switch {
	case digits[0] != '1' || len(digits) <= area:
	case strings.HasPrefix(digits[area:], "976"):
		return "premium-rate numbers"
	case strings.HasPrefix(digits[area:], "5551212"):
		return "directory inquiries"
	}
	return ""
}
