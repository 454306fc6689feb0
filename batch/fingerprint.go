package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"
)

// fingerprint tells requests apart that have the same key. The key itself and its lifetime are
// not part of it.
//
// It is stored, and compared with that of a later version of this module. So a field is written
// with its name, and not at all where it is zero: one that is added later does not change
// the fingerprints of requests that do without it.
func fingerprint(r Request) string {
	f := fields{hash: sha256.New(), pending: make([]byte, 0, 2*piece)}
	f.text("name", r.Name)
	f.text("agent", r.AgentID)
	f.text("number", r.NumberID)
	f.number("target", int64(r.Target))
	f.number("weight", int64(r.Weight))
	f.number("ring", int64(r.RingTimeout))
	f.number("duration", int64(r.MaxDuration))
	if !r.ScheduledAt.IsZero() { // a moment is the same however its zone is spelt
		f.number("scheduled", r.ScheduledAt.UnixMicro())
	}
	f.text("region", r.Region)
	if r.Paused {
		f.text("paused", "true")
	}
	for _, x := range r.Recipients {
		f.text("to", x.To)
		write(&f, "metadata", x.Metadata)
	}
	f.flush()
	return hex.EncodeToString(f.hash.Sum(nil))
}

// fields are hashed in pieces, since each Write costs as much as hashing a field or two.
type fields struct {
	hash    hash.Hash
	pending []byte
}

const piece = 4 << 10 // bytes

func (f *fields) flush() {
	f.hash.Write(f.pending)
	f.pending = f.pending[:0]
}

func (f *fields) number(name string, n int64) {
	if n != 0 {
		f.text(name, strconv.FormatInt(n, 10))
	}
}

func (f *fields) text(name, s string) { write(f, name, s) }

// write puts the length before each text, so that no two lists of fields look alike.
func write[S ~string | ~[]byte](f *fields, name string, s S) {
	if len(s) == 0 {
		return
	}
	f.pending = binary.BigEndian.AppendUint64(f.pending, uint64(len(name)))
	f.pending = append(f.pending, name...)
	f.pending = binary.BigEndian.AppendUint64(f.pending, uint64(len(s)))
	f.pending = append(f.pending, s...)
	if len(f.pending) >= piece {
		f.flush()
	}
}
