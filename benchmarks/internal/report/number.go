package report

import (
	"math"
	"strconv"
	"strings"
)

// Number writes a number with about three digits that count, and commas between thousands.
func Number(v float64, digits int) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 1000:
		return commas(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		digits = min(digits, 1)
	case a > 0 && a < 1:
		digits = max(digits, min(4, 1-int(math.Floor(math.Log10(a)))))
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func commas(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	const group = 3
	var parts []string
	for len(s) > group {
		parts = append([]string{s[len(s)-group:]}, parts...)
		s = s[:len(s)-group]
	}
	return sign + strings.Join(append([]string{s}, parts...), ",")
}
