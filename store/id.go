package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The prefixes of ids, as the HTTP contract has them.
const (
	BatchPrefix     = "acb_"
	RecipientPrefix = "acr_"
	CallPrefix      = "call_"
)

// An id is its prefix and 22 digits in base 62, which are a number of 130 bits: 48 bits of
// milliseconds since 1970, 10 of microseconds in them, then 72 of randomness. Ids of one kind
// sort by the time of their making, as text too, in the precision in which times
// are stored: so a list in the order of the ids is one in the order of the times. A batch id leaves
// its lowest 16 bits zero: the id of recipient i is the batch's number plus 1 + i, so it needs
// neither storing nor an index.
const (
	randBits  = 72
	microBits = 10
	indexBits = 16
	indexMask = 1<<indexBits - 1
)

// NewBatchID returns an id for a batch made now. random gives at least 72 bits; its
// error is returned.
func NewBatchID(now time.Time, random io.Reader) (string, error) {
	n, err := newNumber(now, random)
	if err != nil {
		return "", err
	}
	n.low &^= indexMask
	return n.format(BatchPrefix), nil
}

// NewCallIDs returns count ids for calls made now, ascending.
func NewCallIDs(now time.Time, random io.Reader, count int) ([]string, error) {
	n, err := newNumber(now, random)
	if err != nil {
		return nil, err
	}
	ids := make([]string, count)
	for i := range ids {
		ids[i] = n.format(CallPrefix)
		n = n.plus(1)
	}
	return ids, nil
}

// RecipientID returns the id of the recipient at index of a batch. A batch id that is not
// of NewBatchID's making gives an id that ParseRecipientID refuses, as does an index that
// no batch has.
func RecipientID(batchID string, index int) string {
	n, err := parse(batchID, BatchPrefix)
	if err != nil || n.low&indexMask != 0 || index < 0 || index >= MaxRecipients {
		return RecipientPrefix
	}
	return n.plus(uint64(index) + 1).format(RecipientPrefix)
}

// ParseRecipientID returns the batch and the index that the id contains. ErrNotFound
// for what is no recipient's id.
func ParseRecipientID(id string) (batchID string, index int, err error) {
	n, err := parse(id, RecipientPrefix)
	low := n.low & indexMask
	if err != nil || low == 0 || low > MaxRecipients {
		return "", 0, fmt.Errorf("recipient %.40q: %w", id, ErrNotFound)
	}
	n.low &^= indexMask
	return n.format(BatchPrefix), int(low) - 1, nil
}

func newNumber(now time.Time, random io.Reader) (number, error) {
	var buf [(randBits + 7) / 8]byte
	if _, err := io.ReadFull(random, buf[:]); err != nil {
		return number{}, fmt.Errorf("store: randomness for an id: %w", err)
	}
	const (
		highRand = randBits - 64 // bits of randomness in number.mid
		belowMs  = highRand + microBits
	)
	ms := uint64(now.UnixMilli()) & (1<<48 - 1)
	const perMs = 1000
	micros := uint64(now.UnixMicro()) % perMs
	return number{
		high: ms >> (64 - belowMs),
		// One bit of headroom, so that counting upwards never reaches the microseconds.
		mid: ms<<belowMs | micros<<highRand | uint64(buf[8])&(1<<(highRand-1)-1),
		low: binary.BigEndian.Uint64(buf[:]),
	}, nil
}

var errID = errors.New("malformed id")

func parse(id, prefix string) (number, error) {
	text, ok := strings.CutPrefix(id, prefix)
	if !ok {
		return number{}, errID
	}
	return parseNumber(text)
}
