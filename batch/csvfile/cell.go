package csvfile

import (
	"strings"
	"unicode/utf8"
)

// armed says that a spreadsheet may take a cell that begins with r for a formula. The wide
// forms are those of Japanese and Chinese keyboards. The ' is among them only so
// that disarming can be undone without doubt.
func armed(r rune) bool { return strings.ContainsRune("=+-@\t\r\n'＝＋－＠", r) }

// disarm puts a ' before what a spreadsheet might calculate; arm takes it off again.
func disarm(cell string) string {
	if r, _ := utf8.DecodeRuneInString(cell); cell != "" && armed(r) {
		return "'" + cell
	}
	return cell
}

// arm leaves a ' alone that begins a word, as in 't Hooft.
func arm(cell string) string {
	rest, ok := strings.CutPrefix(cell, "'")
	if r, _ := utf8.DecodeRuneInString(rest); ok && rest != "" && armed(r) {
		return rest
	}
	return cell
}
