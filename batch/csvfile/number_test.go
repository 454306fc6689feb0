package csvfile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
)

// quote makes a cell of any text.
func quote(cell string) string { return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"` }

func TestNumbersThatAreRead(t *testing.T) {
	for cell, want := range map[string]string{
		"+442079460001":                   "+442079460001",
		" +44 20 7946 0001 ":              "+442079460001",
		"+44 (20) 7946-0001":              "+442079460001",
		"(+44) 20 7946 0001":              "+442079460001",
		"+44.20.7946.0001":                "+442079460001",
		"+49 30/23125123":                 "+493023125123",
		"'+442079460001":                  "+442079460001",
		`="+442079460001"`:                "+442079460001",
		"+44\u00a020\u20097946\u202f0001": "+442079460001",
		"\u202a+44 20 7946 0001\u202c":    "+442079460001",
		"\u200e+442079460001\u200f":       "+442079460001",
		"+44\u200b2079460001\ufeff":       "+442079460001",
		"\u2066+442079460001\u2069":       "+442079460001",
		"+44\u201320\u20117946\u22120001": "+442079460001",
		"+14155550123.0":                  "+14155550123",
		"+14155550123,00":                 "+14155550123",
		"\t+1 415 555 0123\n":             "+14155550123",
	} {
		f := read(t, "to_number\n"+quote(cell)+"\n", csvfile.Options{})
		require.Equal(t, want, string(f.Recipients[0].To), cell)
	}
}

func TestNumbersThatAreRefused(t *testing.T) {
	for cell, want := range map[string]string{
		"":                                  "number_missing",
		"-":                                 "number_missing",
		"+":                                 "number_missing",
		"'":                                 "number_missing",
		"14155550123":                       "number_without_plus",
		"14155550123.0":                     "number_without_plus",
		"4155550123":                        "number_without_plus",
		"0041555550123":                     "number_with_00",
		"00 41 55 555 01 23":                "number_with_00",
		"020 7946 0001":                     "number_national",
		"+44 (0)20 7946 0001":               "number_with_zero",
		"+44 ( 0 ) 20 7946 0001":            "number_with_zero",
		"1.44E+11":                          "number_scientific",
		"1,44E+11":                          "number_scientific",
		"1.4155550123E+10":                  "number_scientific",
		"1E11":                              "number_scientific",
		"+1.44e11":                          "number_scientific",
		"+442079460001 +442079460002":       "two_numbers",
		"+44 20 7946 0001/2":                "two_numbers",
		"+442079460001/020 7946 0002":       "number_length",
		"+442079460001x12":                  "number_character",
		"+442079460001 ext. 12":             "number_character",
		"+442079460001#12":                  "number_character",
		"call me":                           "number_character",
		"tel:+442079460001":                 "number_character",
		"+44207946000１":                     "number_character",
		"44+2079460001":                     "number_character",
		"=442079460001":                     "number_character",
		"+44":                               "number_length",
		"+123456":                           "number_length",
		"+1234567890123456":                 "number_length",
		"+0123456789":                       "number_start",
		"+442079460001" + "\n" + "+4420794": "two_numbers",
	} {
		require.Equal(t, []string{"2:" + want}, problems(t, "to_number,x\n"+quote(cell)+",y\n", csvfile.Options{}), cell)
	}
}

func TestPlusIsAddedOnlyWhereItAloneIsMissing(t *testing.T) {
	plus := csvfile.Options{AddPlus: true}
	f := read(t, "to_number\n14155550123\n+442079460001\n14155550124.0\n", plus)
	require.Equal(t, "+14155550123", string(f.Recipients[0].To))
	require.Equal(t, "+442079460001", string(f.Recipients[1].To))
	require.Equal(t, "+14155550124", string(f.Recipients[2].To))
	require.Equal(t, []string{"2:number_with_00", "3:number_national", "4:number_scientific"},
		problems(t, "to_number\n0044207946001\n0207946001\n4.42E+11\n", plus))
}
