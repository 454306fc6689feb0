package postgres

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// Lists in a column of bytes: each text stands behind its length as an unsigned varint. JSON
// would lose bytes that are no UTF-8.

var errPacked = errors.New("a packed column is cut short")

func appendText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

// unpacker takes a packed column apart. Its first error stays.
type unpacker struct {
	data []byte
	err  error
}

func (u *unpacker) more() bool { return u.err == nil && len(u.data) > 0 }

func (u *unpacker) number() uint64 {
	n, size := binary.Uvarint(u.data)
	if size <= 0 {
		u.err, u.data = errPacked, nil
		return 0
	}
	u.data = u.data[size:]
	return n
}

func (u *unpacker) text() string {
	size := u.number()
	if size > uint64(len(u.data)) {
		u.err, u.data = errPacked, nil
		return ""
	}
	out := string(u.data[:size])
	u.data = u.data[size:]
	return out
}

// packDetails writes key, value, key, value by ascending key: equal maps are equal bytes.
func packDetails(m map[string]string) string {
	var out []byte
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = appendText(appendText(out, key), m[key])
	}
	return string(out)
}

func unpackDetails(packed string) (map[string]string, error) {
	if packed == "" {
		return nil, nil //nolint:nilnil // no details are a nil map
	}
	u, out := unpacker{data: []byte(packed)}, map[string]string{}
	for u.more() {
		key := u.text()
		out[key] = u.text()
	}
	return out, u.err
}

// packTries writes the carrier, when it refused in microseconds since year 1, and why.
func packTries(tries []store.Try) string {
	var out []byte
	for _, t := range tries {
		out = appendText(out, t.Carrier)
		out = binary.AppendUvarint(out, uint64(t.At.UnixMicro()-yearOne)) //nolint:gosec // the zero time is 0
		out = appendText(out, t.Error)
	}
	return string(out)
}

//nolint:gochecknoglobals // a constant that needs computing
var yearOne = time.Time{}.UnixMicro()

func unpackTries(packed string) ([]store.Try, error) {
	u := unpacker{data: []byte(packed)}
	var out []store.Try
	for u.more() {
		t := store.Try{Carrier: u.text()}
		if at := u.number(); at != 0 {
			t.At = time.UnixMicro(int64(at) + yearOne).UTC() //nolint:gosec // as packTries made it
		}
		t.Error = u.text()
		out = append(out, t)
	}
	return out, u.err
}
