package csvfile

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/outdial/outdial/dialer"
)

const example = "+14155550123"

var (
	scientific  = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)
	decimalZero = regexp.MustCompile(`^(\+?\d{7,})[.,]0+$`)
	extension   = regexp.MustCompile(`(?i)\d(ext|x|#|;|,|w|p)`)
)

// number reads a cell of the number column. The problem has no line yet.
func number(cell string, addPlus bool) (dialer.Phone, *Problem) {
	s := unwrap(cell)
	if p := mangled(s); p != nil {
		return "", p
	}
	if m := decimalZero.FindStringSubmatch(s); m != nil {
		s = m[1] // a program kept the number as a decimal: 14155550123.0
	}
	s, p := bare(s)
	if p != nil {
		return "", p
	}
	if s[0] != '+' {
		if p := withoutPlus(s, addPlus); p != nil {
			return "", p
		}
		s = "+" + s
	}
	return checked(s)
}

// unwrap removes what is wrapped around numbers but belongs to nobody's number.
func unwrap(cell string) string {
	s := removeInvisible(cell)
	if inner, ok := strings.CutPrefix(s, `="`); ok {
		s = strings.TrimSuffix(inner, `"`) // a spreadsheet's way to say: this is text
	}
	return strings.TrimPrefix(s, "'")
}

// mangled finds what cannot be read as one number, whatever is removed from it.
func mangled(s string) *Problem {
	switch {
	case s == "":
		return &Problem{Code: CodeMissing, Message: "there is no number",
			Hint: "Write one such as " + example + ", or take the row out"}
	case scientific.MatchString(s):
		return &Problem{Code: CodeScientific,
			Message: fmt.Sprintf("a spreadsheet turned the number into %.16s and lost its digits", s),
			Hint:    "Format the column as text, enter the numbers again such as " + example + " and save the file anew"}
	case strings.Contains(s, "(0)"):
		return &Problem{Code: CodeTrunkZero, Message: "the (0) is dialled inside a country only",
			Hint: "Leave it out: +44 20, not +44 (0)20. In Italy the 0 stays: +39 06"}
	case strings.Count(s, "+") > 1:
		return &Problem{Code: CodeTwoNumbers, Message: "there are two numbers in one cell", Hint: "Write one number a row"}
	}
	return slashed(s)
}

// slashed keeps +44 20 7946 0001/2 from becoming a number that nobody meant, while +49 30/23125 is
// how Germans write an area code.
func slashed(s string) *Problem {
	const short = 4
	if i := strings.LastIndexByte(s, '/'); i >= 0 && len(s)-i-1 < short {
		return &Problem{Code: CodeTwoNumbers, Message: "what follows the / looks like a second number",
			Hint: "Write one number a row"}
	}
	return nil
}

// bare removes punctuation and refuses everything else but digits and a leading plus.
func bare(s string) (string, *Problem) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("()-./\u2010\u2011\u2012\u2013\u2014\u2015\u2212", r) {
			return -1
		}
		return r
	}, s)
	for i, r := range s {
		if (r >= '0' && r <= '9') || (r == '+' && i == 0) {
			continue
		}
		return "", stray(s, r)
	}
	if strings.Trim(s, "+") == "" {
		return "", &Problem{Code: CodeMissing, Message: "there are no digits in it",
			Hint: "Write a number such as " + example}
	}
	return s, nil
}

func stray(s string, r rune) *Problem {
	p := &Problem{Code: CodeCharacter, Message: fmt.Sprintf("%q is no part of a number", r),
		Hint: "Write digits only, such as " + example}
	if extension.MatchString(s) {
		p.Hint = "An extension cannot be dialled: take it off, or put it into a column of its own"
	}
	return p
}

func withoutPlus(s string, addPlus bool) *Problem {
	switch {
	case strings.HasPrefix(s, "00"):
		return &Problem{Code: CodeExitCode,
			Message: "it begins with 00, which is how one dials abroad in some countries only",
			Hint:    fmt.Sprintf("Write + for the 00: +%.2s… for %.4s…", s[2:], s)}
	case s[0] == '0':
		return &Problem{Code: CodeNational, Message: "it begins with 0, so its country code is missing",
			Hint: "Write + and the country code for the 0, such as +44 20 for 020"}
	case !addPlus:
		return &Problem{Code: CodeNoPlus, Message: "it does not begin with +, so where it is cannot be told",
			Hint: "Write + and the country code first, such as " + example}
	}
	return nil
}

func checked(s string) (dialer.Phone, *Problem) {
	const least, most = 7, 15 // dialer.ParsePhone has the last word
	phone, err := dialer.ParsePhone(s)
	switch n := len(s) - 1; {
	case err == nil:
		return phone, nil
	case n < least:
		return "", &Problem{Code: CodeNumberLength, Message: fmt.Sprintf("it has only %d digits", n),
			Hint: "Write the whole number with its country code, such as " + example}
	case n > most:
		return "", &Problem{Code: CodeNumberLength,
			Message: fmt.Sprintf("it has %d digits, and no number has more than %d", n, most),
			Hint:    "Write one number a row, without an extension"}
	}
	return "", &Problem{Code: CodeNumberStart, Message: "no country code begins with 0",
		Hint: "Write + and the country code, such as " + example}
}
