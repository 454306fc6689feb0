package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRulesThatCannotBeUsed(t *testing.T) {
	for rule, want := range map[string]string{
		"":                  `"": expected a country by its ISO 3166-1 code, such as GB, or a prefix such as +44`,
		"gb":                `"gb": country codes are written in capitals: expected GB`,
		"UK":                `"UK": the code of the United Kingdom is GB`,
		"uk":                `"uk": the code of the United Kingdom is GB`,
		"EU":                `"EU": expected a country by its ISO 3166-1 code, such as GB, or a prefix such as +44`,
		"GBR":               `"GBR": expected a country by its ISO 3166-1 code, such as GB, or a prefix such as +44`,
		"001":               `"001": a prefix begins with +`,
		"44":                `"44": a prefix begins with +`,
		"*":                 `"*": expected a country by its ISO 3166-1 code, such as GB, or a prefix such as +44`,
		"+":                 `"+": expected + and at most 15 digits`,
		"+44 20":            `"+44 20": expected + and at most 15 digits`,
		"+4420x":            `"+4420x": expected + and at most 15 digits`,
		"+4420794600001234": `"+4420794600001234": expected + and at most 15 digits`,
		"+1": `"+1" covers several countries, US, CA, JM and DO among them: expected countries, such as US, ` +
			`or more digits, such as +1212`,
		"+7":      `"+7" covers several countries, RU and KZ among them: expected countries, such as RU, or more digits, such as +79`,
		"+12":     `"+12" covers several countries: expected a whole area code, such as +1212`,
		"+121":    `"+121" covers several countries: expected a whole area code, such as +1212`,
		"+0":      `"+0" begins with no country code`,
		"+4":      `"+4" begins with no country code`,
		"+99":     `"+99" begins with no country code`,
		"+999":    `"+999" begins with no country code`,
		"+870":    `"+870" is a satellite or global network, which is never called`,
		"+8816":   `"+8816" is a satellite or global network, which is never called`,
		"+61147":  `"+61147": satellite numbers are never called`,
		"+614800": `"+614800": satellite numbers are never called`,
		"+800":    `"+800" is a satellite or global network, which is never called`,
	} {
		require.EqualError(t, CheckAllow(rule), want)
		_, err := New(&carrier{}, Rules{Allow: []string{"GB", rule}})
		require.EqualError(t, err, "guard: allow: "+want)
	}
	for _, rule := range []string{"GB", "US", "JM", "AC", "XK", "+44", "+1212", "+76", "+353", "+4420794600000"} {
		require.NoError(t, CheckAllow(rule))
	}
	for want, rules := range map[string]Rules{
		"guard: allow: expected at least one country, such as GB, or prefix, such as +44": {},
		"guard: block 10: expected 1 to 9 digits":                                         {Allow: []string{"GB"}, Block: 10},
		"guard: block -1: expected 1 to 9 digits":                                         {Allow: []string{"GB"}, Block: -1},
	} {
		_, err := New(&carrier{}, rules)
		require.EqualError(t, err, want)
	}
	_, err := New(nil, Rules{Allow: []string{"GB"}})
	require.EqualError(t, err, "guard: expected a dialer, and got none")
}

func TestTheZeroRulesHaveDefaults(t *testing.T) {
	for rules, want := range map[[2]int][2]int{
		{0, 0}: {DefaultBlock, DefaultHourly}, {1, 7}: {1, 7}, {9, -1}: {9, 0},
	} {
		p, err := Rules{Allow: []string{"GB"}, Block: rules[0], Hourly: rules[1]}.compile()
		require.NoError(t, err)
		require.Equal(t, want, [2]int{p.digits, p.hourly})
	}
	require.Equal(t, block("+442079460000", 3), block("+442079460999", 3))
	require.NotEqual(t, block("+442079460000", 3), block("+442079461000", 3))
	require.NotEqual(t, block("+442079460000", 3), block("+4420794600000", 3))
	require.NotEqual(t, block("+442079460000", 3), block("+442079460000", 4))
}
