package csvfile

import (
	"strings"
	"unicode"
)

// invisible says that r takes no room or only room: spaces of every width, joiners, the
// marks of writing direction that contact apps paste around numbers, soft hyphens and
// byte order marks.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cf, r)
}

func trim(s string) string { return strings.TrimFunc(s, invisible) }

func removeInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, s)
}
