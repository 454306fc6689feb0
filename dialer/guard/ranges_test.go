package guard

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers/v2"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// ruleOf returns by which rule a policy refuses a number; empty: by none.
func ruleOf(tb testing.TB, p *policy, number string) Rule {
	tb.Helper()
	err := p.check(dialer.Phone(number))
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*RefusedError](err)
	require.True(tb, ok, "%v", err)
	return refused.Rule
}

// regionsOf are the countries of the code that digits begin with.
func regionsOf(digits string) []string {
	return phonenumbers.GetRegionCodesForCountryCode(countryCode(digits))
}

// TestHiddenRanges tries a number of every range in the table, of each length that numbers can have, where
// its country is allowed, and where its country code is.
func TestHiddenRanges(t *testing.T) {
	for _, r := range hiddenRanges {
		t.Run(r.prefix, func(t *testing.T) {
			require.NotEmpty(t, r.what)
			require.NotEmpty(t, r.source)
			p := policyOf(t, regionsOf(r.prefix)...)
			for length := 8; length <= 15; length++ {
				number := "+" + (r.prefix + "234512345123")[:length]
				require.Equal(t, Costly, ruleOf(t, p, number), number)
				require.ErrorContains(t, p.check(dialer.Phone(number)), r.what+" are never called")
			}
			require.ErrorContains(t, CheckAllow("+"+r.prefix), r.what+" are never called")
			require.ErrorContains(t, CheckAllow("+"+r.prefix+"0"), r.what+" are never called")
		})
	}
}

// TestHiddenRangesOfACode has the country code allowed, which admits what is in no known range.
func TestHiddenRangesOfACode(t *testing.T) {
	for _, r := range hiddenRanges {
		code := countryCode(r.prefix)
		if code == 1 || code == 7 {
			continue
		}
		p := policyOf(t, fmt.Sprintf("+%d", code))
		number := "+" + (r.prefix + "12345678")[:max(len(r.prefix)+3, 11)]
		require.Equal(t, Costly, ruleOf(t, p, number), number)
	}
}

// TestWhatIsBesideAHiddenRange holds that no more is refused than what the table has.
func TestWhatIsBesideAHiddenRange(t *testing.T) {
	p := policyOf(t, "CA", "MA", "FR", "MX", "AR", "AU", "ID", "PG", "RU", "CN", "TR", "IT", "NZ", "MG", "VN")
	for _, number := range []string{
		"+16045550123", "+212592001234", "+33638111234", "+33641001234", "+33750751234", "+522221234567", "+541123456789",
		"+61412345678", "+61420212345", "+61480112345", "+61485912345", "+62811123456", "+62859123456",
		"+67570123456", "+79531234567", "+79501234567", "+8613481234567", "+8617512345678", "+905321234567",
		"+390541234567", "+390551234567", "+6434567890", "+261321234567", "+84912345678",
	} {
		rule := ruleOf(t, p, number)
		require.True(t, rule == "" || rule == Country, "%s: %s", number, rule)
		require.False(t, unlikeOthers(dialer.Phone(number)), number)
	}
	for _, number := range []string{"+61412345678", "+79501234567", "+8617512345678", "+33641001234", "+390551234567"} {
		require.Empty(t, ruleOf(t, p, number), number)
	}
}

// TestTheRangesAreSound holds that each range is one that is needed, and stands once.
func TestTheRangesAreSound(t *testing.T) {
	all := append(append([]numberRange{}, hiddenRanges...), enclaves...)
	for i, r := range all {
		require.NotZero(t, countryCode(r.prefix), r.prefix)
		require.Empty(t, strings.Trim(r.prefix, "0123456789"))
		for j, other := range all {
			require.False(t, i != j && strings.HasPrefix(r.prefix, other.prefix), "%s, %s", r.prefix, other.prefix)
		}
	}
}

func TestEnclaves(t *testing.T) {
	for _, test := range []struct {
		number, country, code, own string
	}{
		{"+390549123456", "IT", "+39", "+390549"},
		{"+6424091234", "NZ", "+64", "+64240"},
		{"+672106123", "NF", "+672", "+6721"},
		{"+78401234567", "RU", "+784", "+7840"},
		{"+79401234567", "RU", "+79", "+7940"},
	} {
		require.Equal(t, Country, ruleOf(t, policyOf(t, test.country), test.number), test.number)
		require.Equal(t, Country, ruleOf(t, policyOf(t, test.code), test.number), test.number)
		require.Equal(t, Country, ruleOf(t, policyOf(t, test.country, test.code), test.number), test.number)
		require.Empty(t, ruleOf(t, policyOf(t, test.country, test.own), test.number), test.number)
	}
	require.EqualError(t, policyOf(t, "RU").check("+79401234567"),
		"refused by the toll-fraud guard: calls to Abkhazia are not allowed, only to RU; +7940 would allow them")
}

// TestIslandsOfTheNorthAmericanPlan has every area outside of the United States and Canada: with those
// two allowed, none of them is.
func TestIslandsOfTheNorthAmericanPlan(t *testing.T) {
	p := policyOf(t, "US", "CA")
	for area, region := range map[string]string{
		"242": "BS", "246": "BB", "264": "AI", "268": "AG", "284": "VG", "340": "VI", "345": "KY", "441": "BM",
		"473": "GD", "649": "TC", "658": "JM", "664": "MS", "670": "MP", "671": "GU", "684": "AS", "721": "SX",
		"758": "LC", "767": "DM", "784": "VC", "787": "PR", "809": "DO", "829": "DO", "849": "DO", "868": "TT",
		"869": "KN", "876": "JM", "939": "PR",
	} {
		for _, line := range []string{"2345678", "4641234", "7641234", "9991234"} {
			number := "+1" + area + line
			require.Equal(t, Country, ruleOf(t, p, number), number)
		}
		n := phonenumbers.GetExampleNumber(region)
		require.NotNil(t, n)
		example := phonenumbers.Format(n, phonenumbers.E164)
		require.Equal(t, Country, ruleOf(t, p, example), example)
		require.Empty(t, ruleOf(t, policyOf(t, region), example), example)
		require.Empty(t, ruleOf(t, policyOf(t, example[:5]), example), "by its area, %s", example)
	}
}

// TestAreasAreOneCountry goes through every area there can be: none with the United States or Canada
// allowed belongs to anybody else, and the services in it are refused.
func TestAreasAreOneCountry(t *testing.T) {
	p := policyOf(t, "US", "CA")
	allowed := 0
	for area := 200; area < 1000; area++ {
		number := fmt.Sprintf("+1%d2345678", area)
		if ruleOf(t, p, number) == "" {
			allowed++
			n, err := phonenumbers.Parse(number, "")
			require.NoError(t, err)
			require.Contains(t, []string{"US", "CA"}, phonenumbers.GetRegionCodeForNumber(n), number)
			require.Equal(t, Costly, ruleOf(t, p, fmt.Sprintf("+1%d9761234", area)))
			require.Equal(t, Costly, ruleOf(t, p, fmt.Sprintf("+1%d5551212", area)))
			require.NotEqual(t, Costly, ruleOf(t, p, fmt.Sprintf("+1%d5550123", area)), "numbers for films are not services")
		}
		prefix := policyOfPrefix(t, fmt.Sprintf("+1%d", area))
		require.Empty(t, ruleAfter(t, prefix, fmt.Sprintf("+1%d9761234", area)))
		require.Empty(t, ruleAfter(t, prefix, fmt.Sprintf("+1%d5551212", area)))
	}
	require.Greater(t, allowed, 350, "areas of the United States and Canada")
	require.Less(t, allowed, 500)
}

// policyOfPrefix allows a prefix, or is nil where that may not be allowed.
func policyOfPrefix(tb testing.TB, prefix string) *policy {
	tb.Helper()
	if CheckAllow(prefix) != nil {
		return nil
	}
	return policyOf(tb, prefix)
}

// ruleAfter says what is wrong where a policy lets a number through; empty: it does not.
func ruleAfter(tb testing.TB, p *policy, number string) string {
	tb.Helper()
	if p != nil && ruleOf(tb, p, number) == "" {
		return number + " is let through"
	}
	return ""
}

// TestOverdialled has digits behind a number that costs: switches ignore them.
func TestOverdialled(t *testing.T) {
	codes := policyOf(t, "+1212", "+49", "+43", "+39", "+358", "+81", "+33", "+44", "+62")
	for number, rule := range map[string]Rule{
		"+499001234567":   Costly,
		"+4990012345678":  Costly,
		"+49900123456789": Costly,
		"+491801234567":   Costly,
		"+4918012345678":  Costly,
		"+4970012345678":  Costly,
		"+49700123456789": Costly,
		"+4911833":        Short,
		"+49118331":       Short,
		"+49118331234567": Short,
		"+43118877123":    Short,
		"+449012345678":   Costly,
		"+4490123456789":  Impossible,
		"+441189496012":   "", // Reading
		"+441188999909":   "", // in Reading, in no known range
		"+12125550123":    "",
		"+12125550":       Impossible, // enough within the area
		"+49301234567":    "",
		"+4930123456789":  "",
		"+62809123456":    Costly, // a digit is missing
		"+447700900123":   "",     // in no known range
	} {
		require.Equal(t, rule, ruleOf(t, codes, number), number)
	}
	require.EqualError(t, codes.check("+49900123456789"), "refused by the toll-fraud guard: "+
		"the number begins as premium-rate numbers do, which are never called")
}

// TestOverdialledAnywhere adds digits to an example of every costly kind of every country.
func TestOverdialledAnywhere(t *testing.T) {
	tried := 0
	for region := range phonenumbers.GetSupportedRegions() {
		code := phonenumbers.GetCountryCodeForRegion(region)
		allow := []string{region}
		if code != 1 && code != 7 {
			allow = append(allow, fmt.Sprintf("+%d", code))
		}
		p := policyOf(t, allow...)
		for _, kind := range []phonenumbers.PhoneNumberType{
			phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER,
		} {
			n := phonenumbers.GetExampleNumberForTypeInRegion(region, kind)
			if n == nil {
				continue
			}
			number := phonenumbers.Format(n, phonenumbers.E164)
			for ; len(number) <= 1+mostDigits; number += "7" {
				tried++
				longer, err := phonenumbers.Parse(number, "")
				ordinary := err == nil && phonenumbers.IsValidNumber(longer) &&
					costly(longer, phonenumbers.GetNumberType(longer)) == ""
				require.True(t, ordinary || p.check(dialer.Phone(number)) != nil, "%s, kind %d: %s", region, kind, number)
			}
		}
	}
	require.Greater(t, tried, 500)
}
