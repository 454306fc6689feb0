package sqlite

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

var errList = errors.New("a list of texts is cut short")

// packList writes texts one after the other, each behind its length as an unsigned
// varint. Unlike JSON this keeps every byte. Nil for none.
func packList(texts []string) []byte {
	var out []byte
	for _, text := range texts {
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	return out
}

func unpackList(data []byte) ([]string, error) {
	var out []string
	for len(data) > 0 {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) { //nolint:gosec // Uvarint read n bytes of them
			return nil, errList
		}
		out = append(out, string(data[n:n+int(size)])) //nolint:gosec // at most len(data)
		data = data[n+int(size):]                      //nolint:gosec // at most len(data)
	}
	return out, nil
}

// packMap writes key, value, key, value, by ascending key.
func packMap(m map[string]string) []byte {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		texts = append(texts, key, m[key])
	}
	return packList(texts)
}

func unpackMap(data []byte) (map[string]string, error) {
	texts, err := unpackList(data)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	if len(texts)%2 != 0 {
		return nil, errList
	}
	m := make(map[string]string, len(texts)/2) //nolint:mnd // pairs
	for pair := range slices.Chunk(texts, 2) {
		m[pair[0]] = pair[1]
	}
	return m, nil
}

// packNumbers writes each as a varint. Nil for none.
func packNumbers(numbers []int) []byte {
	var out []byte
	for _, n := range numbers {
		out = binary.AppendVarint(out, int64(n))
	}
	return out
}

func unpackNumbers(data []byte) ([]int, error) {
	var out []int
	for len(data) > 0 {
		v, n := binary.Varint(data)
		if n <= 0 {
			return nil, errList
		}
		out = append(out, int(v))
		data = data[n:]
	}
	return out, nil
}
