package guard

import (
	"errors"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers/v2"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// western is a list such as a company has that calls a few countries.
func western() []string {
	return []string{"GB", "US", "CA", "DE", "FR", "IE", "AU", "+7916", "+1876555"}
}

func policyOf(tb testing.TB, allow ...string) *policy {
	tb.Helper()
	p, err := Rules{Allow: allow}.compile()
	require.NoError(tb, err)
	return p
}

func TestNumbers(t *testing.T) {
	p := policyOf(t, western()...)
	for _, test := range []struct {
		number, what string
		rule         Rule // empty: it may be called
	}{
		{"+442079460000", "London", ""},
		{"+441214960000", "Birmingham", ""},
		{"+447400123456", "a mobile phone", ""},
		{"+443001234567", "03, at the price of a landline", ""},
		{"+448001111", "Childline, an ordinary freephone number", ""},
		{"+445612345678", "internet telephony", ""},
		{"+14155550123", "San Francisco", ""},
		{"+12125550123", "New York", ""},
		{"+16045550123", "Vancouver", ""},
		{"+18005550123", "freephone", ""},
		{"+4930231250000", "Berlin", ""},
		{"+4915123456789", "a German mobile phone", ""},
		{"+33199001234", "Paris", ""},
		{"+33612345678", "a French mobile phone", ""},
		{"+35312345678", "Dublin", ""},
		{"+353818123456", "0818, at the price of a landline", ""},
		{"+61255501234", "Sydney", ""},
		{"+79161234567", "Moscow, whose prefix is allowed", ""},
		{"+18765551234", "Jamaica, of which one prefix is allowed", ""},

		{"+18764441234", "Jamaica", Country},
		{"+18095551234", "the Dominican Republic", Country},
		{"+12425551234", "the Bahamas", Country},
		{"+12645551234", "Anguilla", Country},
		{"+14735551234", "Grenada", Country},
		{"+16495551234", "Turks and Caicos", Country},
		{"+17875551234", "Puerto Rico, a country of its own here", Country},
		{"+16715551234", "Guam", Country},
		{"+447624123456", "the Isle of Man", Country},
		{"+447781123456", "Guernsey", Country},
		{"+447797712345", "Jersey", Country},
		{"+79031234567", "Russia but for one prefix", Country},
		{"+77011234567", "Kazakhstan", Country},
		{"+3906123456789", "Italy", Country},
		{"+390669812345", "the Vatican", Country},
		{"+34612345678", "Spain", Country},
		{"+37120123456", "Latvia", Country},
		{"+37052345678", "Lithuania", Country},
		{"+2203012345", "Gambia", Country},
		{"+23276123456", "Sierra Leone", Country},
		{"+252612345678", "Somalia", Country},
		{"+5355512345", "Cuba", Country},
		{"+6791234567", "Fiji", Country},
		{"+67574123456", "Papua New Guinea", Country},
		{"+9609912345", "the Maldives", Country},
		{"+99365123456", "Turkmenistan", Country},
		{"+2462345678", "Diego Garcia, no number of it", Country},
		{"+2463709123", "Diego Garcia", Country},
		{"+24740123", "Ascension", Country},
		{"+818012345678", "Japan", Country},
		{"+919876543210", "India", Country},
		{"+8613123456789", "China", Country},
		{"+5511987654321", "Brazil", Country},
		{"+447700900123", "the numbers for films, which nobody has", Country},
		{"+441632960123", "the numbers for films, which nobody has", Country},
		{"+33639981234", "the numbers for films, which nobody has", Country},
		{"+17105551234", "the government of the United States, a code of no country", Country},

		{"+447012345678", "a personal number", Costly},
		{"+447640123456", "a pager", Costly},
		{"+448431234567", "shared cost", Costly},
		{"+448712345678", "premium rate", Costly},
		{"+449012345678", "premium rate", Costly},
		{"+449098790000", "premium rate", Costly},
		{"+19005551234", "premium rate", Costly},
		{"+12129761234", "the exchange for information services", Costly},
		{"+18009761234", "the same in an area of freephone numbers", Costly},
		{"+15005551234", "a personal number", Costly},
		{"+491801234567", "shared cost", Costly},
		{"+499001234567", "premium rate", Costly},
		{"+4970012345678", "a personal number", Costly},
		{"+49177991234567", "voicemail", Costly},
		{"+4916412345", "a pager", Costly},
		{"+33899123456", "premium rate", Costly},
		{"+33884012345", "shared cost", Costly},
		{"+3531520123456", "premium rate", Costly},
		{"+3531520123", "premium rate with digits missing", Country},
		{"+353700123456", "a personal number", Costly},
		{"+3531850123456", "shared cost", Costly},
		{"+353850123456", "Ireland's mobile phones", ""},
		{"+61190123456", "premium rate with a digit missing", Costly},
		{"+611900123456", "premium rate", Costly},
		{"+61131234", "shared cost", Costly},
		{"+81990123456", "premium rate in Japan", Costly},
		{"+41900123456", "premium rate in Switzerland", Costly},
		{"+41840123456", "shared cost in Switzerland", Costly},
		{"+49181234567", "a German company", Costly},
		{"+33806123456", "0806, at the price of a landline", ""},
		{"+4150012345", "no number of Switzerland", Impossible},

		{"+870773123456", "Inmarsat", Costly},
		{"+8781012345678", "universal personal telecommunications", Costly},
		{"+881612345678", "Iridium", Costly},
		{"+881812345678", "Globalstar", Costly},
		{"+88213123456", "Thuraya's neighbours", Costly},
		{"+8821612345678", "Thuraya", Costly},
		{"+883510012345", "iNum", Costly},
		{"+888123456789", "disaster relief", Costly},
		{"+979123456789", "international premium rate", Costly},
		{"+80012345678", "international freephone", Costly},
		{"+80812345678", "international shared cost", Costly},

		{"+4911833", "directory inquiries", Short},
		{"+44118500", "directory inquiries", Short},
		{"+44999999", "too short for a number, and none of its own", Short},
		{"+33118218", "directory inquiries", Short},
		{"+49115", "below what a number has", Impossible},
		{"+441", "nothing yet", Impossible},
		{"+4420794600001", "a digit too many", Impossible},
		{"+1415555012", "a digit too few", Impossible},
		{"+4402079460000", "the 0 of the country left in", Impossible},
		{"+118005550123", "the 1 of the country doubled", Impossible},
		{"+99912345678", "no country", Impossible},
		{"+2101234567", "no country", Impossible},
		{"442079460000", "no +", Impossible},
		{"+44 2079460000", "a space", Impossible},
		{"+44207946000a", "a letter", Impossible},
		{"+0442079460000", "a 0 in front", Impossible},
		{"", "nothing", Impossible},
		{"+", "nothing", Impossible},
		{"sip:900@example.com", "an address", Impossible},
		{"+44２０７９４６００００", "digits of another script", Impossible},
	} {
		t.Run(test.what+" "+test.number, func(t *testing.T) {
			err := p.check(dialer.Phone(test.number))
			if test.rule == "" {
				require.NoError(t, err)
				return
			}
			refused, ok := errors.AsType[*RefusedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, test.rule, refused.Rule, err.Error())
			require.ErrorIs(t, err, dialer.ErrNotPlaced)
			if test.number != "" && test.number != "+" {
				require.NotContains(t, err.Error(), test.number)
			}
		})
	}
}

func TestPrefixesAdmitWhatIsInNoKnownRange(t *testing.T) {
	p := policyOf(t, "+44", "+1212", "+4670")
	for _, number := range []string{"+447700900123", "+441632960123", "+442079460000", "+447624123456", "+12125550123", "+46701740605"} {
		require.NoError(t, p.check(dialer.Phone(number)), number)
	}
	for number, rule := range map[string]Rule{
		"+449012345678": Costly, "+44999999": Short, "+4420794600001": Impossible, "+12129761234": Costly,
		"+14155550123": Country, "+46846500412": Country,
	} {
		refused, _ := errors.AsType[*RefusedError](p.check(dialer.Phone(number)))
		require.NotNil(t, refused, number)
		require.Equal(t, rule, refused.Rule, number)
	}
}

// unlikeOthers says that the guard knows better than the metadata.
func unlikeOthers(to dialer.Phone) bool {
	_, hidden := within(hiddenRanges, string(to[1:]))
	_, enclave := within(enclaves, string(to[1:]))
	return hidden || enclave || northAmericanService(string(to[1:])) != ""
}

// TestEveryCountry takes an example of every kind from the metadata of every country: what it
// costs decides, and that each country is told from its neighbours.
func TestEveryCountry(t *testing.T) {
	kinds := map[phonenumbers.PhoneNumberType]bool{
		phonenumbers.FIXED_LINE: true, phonenumbers.MOBILE: true, phonenumbers.TOLL_FREE: true, phonenumbers.VOIP: true,
		phonenumbers.PREMIUM_RATE: false, phonenumbers.SHARED_COST: false, phonenumbers.PERSONAL_NUMBER: false,
		phonenumbers.PAGER: false, phonenumbers.VOICEMAIL: false,
	}
	seen := 0
	for region := range phonenumbers.GetSupportedRegions() {
		own, other := policyOf(t, region), policyOf(t, map[bool]string{true: "FR", false: "SE"}[region != "FR"])
		for kind, ordinary := range kinds {
			n := phonenumbers.GetExampleNumberForTypeInRegion(region, kind)
			if n == nil || phonenumbers.GetRegionCodeForNumber(n) != region {
				continue
			}
			seen++
			to := dialer.Phone(phonenumbers.Format(n, phonenumbers.E164))
			if unlikeOthers(to) {
				require.Error(t, own.check(to), "%s, kind %d", region, kind)
				continue
			}
			if err := own.check(to); ordinary != (err == nil) {
				refused, _ := errors.AsType[*RefusedError](err)
				require.True(t, refused != nil && refused.Rule == Impossible && len(to) < len("+1234567"),
					"%s, kind %d, %s: %v", region, kind, string(to), err)
			}
			require.Error(t, other.check(to), "%s, kind %d", region, kind)
		}
	}
	require.Greater(t, seen, 800, "the metadata has hundreds of examples")
	for code := range phonenumbers.GetSupportedGlobalNetworkCallingCodes() {
		n := phonenumbers.GetExampleNumberForNonGeoEntity(code)
		if n == nil {
			continue
		}
		to := dialer.Phone(phonenumbers.Format(n, phonenumbers.E164))
		refused, _ := errors.AsType[*RefusedError](policyOf(t, western()...).check(to))
		require.NotNil(t, refused, string(to))
		require.Equal(t, Costly, refused.Rule, string(to))
	}
}

func TestTheReasonIsForAPerson(t *testing.T) {
	for number, want := range map[string]string{
		"+18764441234":   "refused by the toll-fraud guard: calls to JM are not allowed, only to GB, US",
		"+447700900123":  "refused by the toll-fraud guard: the number is in no known range of +44",
		"+449012345678":  "refused by the toll-fraud guard: premium-rate numbers are never called",
		"+870773123456":  "refused by the toll-fraud guard: +870 belongs to no country but to a satellite or global network",
		"+4911833":       "refused by the toll-fraud guard: this is a short number with a country code before it",
		"+4402079460000": "refused by the toll-fraud guard: the number has digits behind +44 that are dialled within the country only, such as a 0",
		"+4420794600001": "refused by the toll-fraud guard: the number has too few or too many digits for +44",
		"+99912345678":   "refused by the toll-fraud guard: the number begins with no country code, or is too short",
		"2079460000":     "refused by the toll-fraud guard: the number is none in E.164 format",
	} {
		require.EqualError(t, policyOf(t, "GB", "US").check(dialer.Phone(number)), want)
	}
	many := policyOf(t, "GB", "US", "CA", "DE", "FR", "IE", "AU", "NZ", "SE", "NO", "DK")
	require.ErrorContains(t, many.check("+18764441234"), "only to GB, US, CA, DE, FR, IE, AU, NZ, SE, NO and others")
}

// FuzzNumber looks for numbers that come past the guard though nothing allows them, and for ones that
// a refusal gives away.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{
		"+442079460000", "+449012345678", "+14155550123", "+19005551234", "+12129761234", "+870773123456", "+4911833", "+118005550123",
		"", "+", "+1", "+4420794600001", "+7916", "+79161234567", "+00000000", "+39061", "+5491112345678", "tel:+1", "+1415555012;ext=3", "\xff",
	} {
		f.Add(seed)
	}
	p, err := Rules{Allow: western()}.compile()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, number string) {
		err := p.check(dialer.Phone(number))
		if err != nil {
			if !errors.Is(err, dialer.ErrNotPlaced) {
				t.Errorf("%v does not say that nothing was placed", err)
			}
			if len(number) > 5 && strings.Contains(err.Error(), number) {
				t.Errorf("the whole number is in %q", err)
			}
			return
		}
		starts := func(prefixes ...string) bool {
			for _, prefix := range prefixes {
				if strings.HasPrefix(number, prefix) {
					return true
				}
			}
			return false
		}
		if !starts("+44", "+1", "+49", "+33", "+353", "+61", "+7916") || starts("+1900", "+449", "+49900") {
			t.Errorf("%q was let through", number)
		}
		if len(number) < 8 || len(number) > 16 || strings.Trim(number[1:], "0123456789") != "" {
			t.Errorf("%q was let through, and is no number", number)
		}
		if to := dialer.Phone(number); block(to, p.digits) == 0 {
			t.Errorf("%q has no block", number)
		}
	})
}

// BenchmarkCheck tells what a call costs that is let through.
func BenchmarkCheck(b *testing.B) {
	p := policyOf(b, western()...)
	for _, number := range []dialer.Phone{"+442079460000", "+14155550123", "+18764441234"} {
		b.Run(number.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.check(number)
			}
		})
	}
}
