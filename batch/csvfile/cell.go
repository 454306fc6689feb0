package csvfile

import (
	"strings"
	"unicode/utf8"
)

// armed says that a spreadsheet may take a cell that begins with r for a formula. The wide
// forms are those of Japanese and Chinese keyboards. The ' is among them only so
// that disarming can be undone without doubt.
func armed(r rune) bool { return strings.ContainsRune("=+-@\t\r\n'＝＋－＠", r) }

// Where a spreadsheet separates by something else than the comma (much of Europe: the
// semicolon), a cell of its begins behind each of these, quoted or not.
const separators = ";\t\r\n"

// disarm puts a ' before what a spreadsheet might calculate; rearm takes it off again.
func disarm(cell string) string {
	if r, _ := utf8.DecodeRuneInString(cell); cell != "" && armed(r) {
		cell = "'" + cell
	}
	if !strings.ContainsAny(cell, separators) {
		return cell
	}
	var b strings.Builder
	inside := false // behind a separator
	for _, r := range cell {
		separator := strings.ContainsRune(separators, r)
		if inside && armed(r) && !separator {
			b.WriteByte('\'')
		}
		b.WriteRune(r)
		inside = separator
	}
	return b.String()
}

// arm takes off the ' at the beginning of a cell. It leaves alone one that begins a word, as in 't Hooft.
func arm(cell string) string {
	rest, ok := strings.CutPrefix(cell, "'")
	if r, _ := utf8.DecodeRuneInString(rest); ok && rest != "" && armed(r) {
		return rest
	}
	return cell
}

// rearm is for cells that disarm may have written: it takes off those behind separators as well.
func rearm(cell string) string {
	if cell = arm(cell); !strings.ContainsAny(cell, separators) {
		return cell
	}
	var b strings.Builder
	for cell != "" {
		n := strings.IndexAny(cell, separators) + 1
		if n == 0 {
			break
		}
		b.WriteString(cell[:n])
		cell = cell[n:]
		rest, ok := strings.CutPrefix(cell, "'")
		r, _ := utf8.DecodeRuneInString(rest)
		if ok && rest != "" && armed(r) && !strings.ContainsRune(separators, r) {
			_, size := utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:size])
			cell = rest[size:]
		}
	}
	return b.String() + cell
}
