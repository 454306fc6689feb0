package sqlite

import (
	"slices"
	"strconv"
	"time"

	"github.com/outdial/outdial/store"
)

const triesTexts = 3 // of each try

// packTries writes the carrier, the time in microseconds since 1970 and the error of each, in their
// order. Nil for none.
func packTries(tries []store.Try) []byte {
	var texts []string
	for _, t := range tries {
		texts = append(texts, t.Carrier, strconv.FormatInt(t.At.UnixMicro(), 10), t.Error)
	}
	return packList(texts)
}

func unpackTries(data []byte) ([]store.Try, error) {
	texts, err := unpackList(data)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	if len(texts)%triesTexts != 0 {
		return nil, errList
	}
	var tries []store.Try
	for try := range slices.Chunk(texts, triesTexts) {
		at, err := strconv.ParseInt(try[1], 10, 64)
		if err != nil {
			return nil, errList
		}
		tries = append(tries, store.Try{Carrier: try[0], At: time.UnixMicro(at).UTC(), Error: try[2]})
	}
	return tries, nil
}
