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
	f := fields{hash: sha256.New()}
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
		f.text("metadata", string(x.Metadata))
	}
	return hex.EncodeToString(f.hash.Sum(nil))
}

type fields struct{ hash hash.Hash }

func (f *fields) number(name string, n int64) {
	if n != 0 {
		f.text(name, strconv.FormatInt(n, 10))
	}
}

func (f *fields) text(name, s string) {
	if s == "" {
		return
	}
	var size [8]byte
	for _, part := range []string{name, s} {
		binary.BigEndian.PutUint64(size[:], uint64(len(part))) // so that no two lists of fields look alike
		f.hash.Write(size[:])
		f.hash.Write([]byte(part))
	}
}
