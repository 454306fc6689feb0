package guard

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers/v2"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// TestManyKindsOfNumber has what else somebody would try who wants an expensive call placed, and what
// must go on to pass, for a company that calls a few countries by their codes.
func TestManyKindsOfNumber(t *testing.T) {
	p := policyOf(t, "GB", "US", "CA", "IT", "MA", "RU", "BQ", "AU", "DE", "ID", "CN")
	for _, test := range []struct {
		number, what string
		rule         Rule // empty: it may be called
	}{
		{"+390551234567", "Florence, whose 0 belongs to the number", ""},
		{"+390612345678", "Rome", ""},
		{"+393331234567", "an Italian mobile phone", ""},
		{"+39551234567", "Florence without its 0", Country},
		{"+390669812345", "the Vatican, in Rome's plan", Country},
		{"+37966912345", "the Vatican's own code, which is not used", Impossible},
		{"+390549123456", "San Marino, in Italy's plan", Country},
		{"+3780549123456", "San Marino", Country},
		{"+39899123456", "premium rate in Italy", Costly},
		{"+39199123456", "a personal number in Italy", Costly},
		{"+212528812345", "landlines of the south, which are Morocco's", ""},
		{"+212522123456", "Casablanca", ""},
		{"+212592401234", "VSAT in Morocco", Costly},
		{"+79161234567", "Moscow", ""},
		{"+77011234567", "Kazakhstan, mobile", Country},
		{"+77172123456", "Kazakhstan, Astana", Country},
		{"+79541234567", "Globalstar in Russia", Costly},
		{"+78001234567", "Russian freephone", ""},
		{"+78091234567", "premium rate in Russia", Costly},
		{"+5993181234", "Bonaire", ""},
		{"+59995181234", "Curaçao, of the same code", Country},
		{"+447781123456", "Guernsey", Country},
		{"+447829712345", "Jersey, mobile", Country},
		{"+441534123456", "Jersey", Country},
		{"+441624712345", "the Isle of Man", Country},
		{"+447024123456", "a personal number", Costly},
		{"+447600123456", "a pager", Costly},
		{"+44800123456", "freephone in Britain", ""},
		{"+448081570192", "freephone in Britain", ""},
		{"+441189496012", "Reading, which begins like directory inquiries", ""},
		{"+14155551212", "directory assistance", Costly},
		{"+16045551212", "directory assistance in Canada", Costly},
		{"+16009201234", "a Canadian satellite phone", Costly},
		{"+16229201234", "the reserve of that area", Costly},
		{"+17001234567", "an area that each carrier defines", Country},
		{"+15331234567", "a personal number", Country},
		{"+19002345678", "premium rate", Costly},
		{"+19762345678", "an area that nobody has", Country},
		{"+61145101234", "Thuraya in Australia", Costly},
		{"+61147101234", "a satellite phone in Australia", Costly},
		{"+61420112345", "Pivotel in Australia", Costly},
		{"+61420212345", "an Australian mobile phone", ""},
		{"+61891641234", "the Cocos Islands", Country},
		{"+61891621234", "the Cocos Islands", Country},
		{"+62868123456", "a satellite phone in Indonesia", Costly},
		{"+628123456789", "an Indonesian mobile phone", ""},
		{"+628091234567", "premium rate in Indonesia", Costly},
		{"+62809123456", "premium rate in Indonesia with a digit missing", Costly},
		{"+8613491234567", "a satellite phone in China", Costly},
		{"+8617401234567", "Tiantong", Costly},
		{"+8617491234567", "Inmarsat in China", Costly},
		{"+8613812345678", "a Chinese mobile phone", ""},
		{"+8702773123456", "Inmarsat, with a digit more", Costly},
		{"+871773123456", "Inmarsat's former code", Impossible},
		{"+874773123456", "Inmarsat's former code", Impossible},
		{"+8811234567890", "a code of the satellite networks", Costly},
		{"+882991234567", "international networks", Costly},
		{"+88352123456", "China Telecom's satellites, or nothing", Costly},
		{"+888123456789", "disaster relief", Costly},
		{"+979912345678", "international premium rate", Costly},
		{"+991123456789", "codes for trials", Impossible},
		{"+388312345678", "the European numbering space, given up", Impossible},
		{"+672106123", "Davis Station", Country},
		{"+442079460000;ext=12", "an extension", Impossible},
		{"+442079460000,,12", "digits after a pause", Impossible},
		{"+442079460000x12", "an extension", Impossible},
		{"tel:+442079460000", "a URI", Impossible},
		{"tel:+449012345678", "a URI", Impossible},
		{"sip:+442079460000@192.0.2.1", "a URI", Impossible},
		{"sips:449012345678@example.com;user=phone", "a URI", Impossible},
		{"00442079460000", "an international prefix", Impossible},
		{"011442079460000", "an international prefix", Impossible},
		{"+00442079460000", "an international prefix behind +", Impossible},
		{"+011449012345", "an international prefix behind +", Impossible},
		{"＋442079460000", "a wide +", Impossible},
		{"+٤٤٢٠٧٩٤٦٠٠٠٠", "Arabic digits", Impossible},
		{"+44२०७९४६००००", "Devanagari digits", Impossible},
		{"\u202a+442079460000\u202c", "marks of direction", Impossible},
		{"+4420\u200b79460000", "a space of no width", Impossible},
		{"+442079460000\x00", "a NUL", Impossible},
		{"+442079460000\r\nX: y", "a header", Impossible},
		{"+442079460000#", "a key", Impossible},
		{"*67+442079460000", "a service code", Impossible},
		{"+44(0)2079460000", "brackets", Impossible},
		{"+4402079460000", "the 0 for calls within the country", Impossible},
		{"+44002079460000", "two of them", Impossible},
		{"+4409012345678", "one before premium rate", Impossible},
		{"++442079460000", "two +", Impossible},
		{" +442079460000", "a space before", Impossible},
		{"+442079460000 ", "a space behind", Impossible},
		{"+1", "only a code", Impossible},
		{"911", "an emergency number", Impossible},
		{"+44999", "an emergency number", Impossible},
	} {
		t.Run(test.what, func(t *testing.T) {
			require.Equal(t, test.rule, ruleOf(t, p, test.number), "%q", test.number)
		})
	}
}

// TestAnyNumberThatIsAllowedIsOne dials numbers at random of every country, with everything allowed that may be:
// what comes through is a valid one of a kind that costs what a call does.
func TestAnyNumberThatIsAllowedIsOne(t *testing.T) {
	var everywhere []string
	for region := range phonenumbers.GetSupportedRegions() {
		everywhere = append(everywhere, region)
	}
	p := policyOf(t, everywhere...)
	random := rand.New(rand.NewPCG(1, 2)) // the same numbers every time
	codes := make([]string, 0, len(everywhere))
	for _, region := range everywhere {
		n := phonenumbers.GetExampleNumber(region)
		codes = append(codes, phonenumbers.Format(n, phonenumbers.E164))
	}
	allowed := 0
	for range 2000 {
		digits := []byte(codes[random.IntN(len(codes))])
		for range random.IntN(6) {
			digits[1+random.IntN(len(digits)-1)] = byte('0' + random.IntN(10))
		}
		number := string(digits)
		err := p.check(dialer.Phone(number))
		refused, isRefusal := errors.AsType[*RefusedError](err)
		require.True(t, err == nil || isRefusal && refused.Rule != Hourly, number)
		if err != nil {
			require.NotContains(t, err.Error(), number)
			continue
		}
		allowed++
		n, err := phonenumbers.Parse(number, "")
		require.NoError(t, err)
		require.True(t, phonenumbers.IsValidNumber(n), number)
		require.Equal(t, number, phonenumbers.Format(n, phonenumbers.E164))
		require.Empty(t, costly(n, phonenumbers.GetNumberType(n)), number)
		require.False(t, unlikeOthers(dialer.Phone(number)), number)
		require.Empty(t, ruleOf(t, policyOf(t, phonenumbers.GetRegionCodeForNumber(n)), number), "its own country is enough")
	}
	require.Greater(t, allowed, 200)
}

// FuzzRules looks for rules that are taken and let through what they do not have, and for errors that say nothing.
func FuzzRules(f *testing.F) {
	for _, seed := range []struct {
		rule, number string
		block, most  int
	}{
		{"GB", "+442079460000", 3, 200},
		{"+44", "+449012345678", 1, -1},
		{"+1212", "+12129761234", 9, 1},
		{"+1", "+14155550123", 0, 0},
		{"+7", "+79541234567", 10, 5},
		{"+39", "+390549123456", 3, 3},
		{"+49", "+49900123456789", 3, 3},
		{"+61147", "+61147101234", 3, 3},
		{"RU", "+79401234567", -1, 0},
		{"", "", 0, 0},
		{"+٤٤", "+٤٤٢٠٧٩٤٦٠٠٠٠", 3, 3},
		{"001", "+870773123456", 3, 3},
		{"uk", "tel:+442079460000", 3, 3},
		{"+4420794600001234", "+4420794600001234", 3, 3},
	} {
		f.Add(seed.rule, seed.number, seed.block, seed.most)
	}
	f.Fuzz(func(t *testing.T, rule, number string, block, most int) {
		p, err := Rules{Allow: []string{rule}, Block: block, Hourly: most}.compile()
		if err != nil {
			if !strings.HasPrefix(err.Error(), "guard: ") {
				t.Errorf("%q does not say whose it is", err)
			}
			return
		}
		if CheckAllow(rule) != nil || block < 0 || block > MaxBlock {
			t.Errorf("%q, %d was taken", rule, block)
		}
		if p.digits < 1 || p.digits > MaxBlock || p.hourly < 0 {
			t.Errorf("%d digits, %d an hour", p.digits, p.hourly)
		}
		if p.check(dialer.Phone(number)) != nil {
			return
		}
		n, err := phonenumbers.Parse(number, "")
		if err != nil {
			t.Fatalf("%q was let through and cannot be read: %v", number, err)
		}
		byPrefix := strings.HasPrefix(rule, "+") && strings.HasPrefix(number, rule)
		if !byPrefix && phonenumbers.GetRegionCodeForNumber(n) != rule {
			t.Errorf("%q let %q through", rule, number)
		}
		if _, hidden := within(hiddenRanges, number[1:]); hidden {
			t.Errorf("%q is never called", number)
		}
	})
}
