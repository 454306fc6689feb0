package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// ReadBooks reads a file that carriers wrote as their Config.BooksFile. It may be
// read while they write. Lines that were cut off are left out and counted in
// [Books].Torn; a line that is not theirs is an error.
func ReadBooks(path string) (Books, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller's own file
	if err != nil {
		return Books{}, fmt.Errorf("fake: reading the books: %w", err)
	}
	var books Books
	number := 0
	for line := range bytes.Lines(text) {
		number++
		switch e, err := readEntry(line); {
		case err == nil:
			books.Entries = append(books.Entries, e)
		case isTorn(line):
			books.Torn++
		default:
			return Books{}, fmt.Errorf("fake: reading the books: line %d of %s: %w", number, path, err)
		}
	}
	return books, nil
}

func readEntry(line []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(line, &e)
	return e, err
}

// isTorn says whether the line lacks its end. An entry has no braces inside but in
// strings, and ends with one.
func isTorn(line []byte) bool {
	line = bytes.TrimRight(line, "\n")
	return len(line) == 0 || (line[0] == '{' && line[len(line)-1] != '}')
}
