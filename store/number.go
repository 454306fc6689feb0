package store

import (
	"math"
	"math/bits"
	"strings"
)

// number is the 130 bits of an id. math/big does the same with an allocation for each step,
// which made the ids the dearest part of a claim.
type number struct {
	high uint64 // two bits
	mid  uint64
	low  uint64
}

// In ascending order, so that ids sort as text.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const (
	base      = uint64(len(alphabet))
	idDigits  = 22
	highBits  = 2
	chunk     = 10                                                                  // digits that fit into 64 bits
	chunkBase = base * base * base * base * base * base * base * base * base * base // base to the power of chunk
)

func (n number) plus(d uint64) number {
	var carry uint64
	n.low, carry = bits.Add64(n.low, d, 0)
	n.mid, carry = bits.Add64(n.mid, 0, carry)
	n.high += carry
	return n
}

// divide returns n / chunkBase and what remains.
func (n number) divide() (quotient number, rest uint64) {
	quotient.high, rest = n.high/chunkBase, n.high%chunkBase
	quotient.mid, rest = bits.Div64(rest, n.mid, chunkBase)
	quotient.low, rest = bits.Div64(rest, n.low, chunkBase)
	return quotient, rest
}

// timesPlus returns n * factor + d. It is called with numbers whose result has no more bits
// than three words.
func (n number) timesPlus(factor, d uint64) number {
	lowCarry, low := bits.Mul64(n.low, factor)
	low, carry := bits.Add64(low, d, 0)
	midCarry, mid := bits.Mul64(n.mid, factor)
	mid, more := bits.Add64(mid, lowCarry, carry)
	return number{high: n.high*factor + midCarry + more, mid: mid, low: low}
}

func (n number) format(prefix string) string {
	buf := make([]byte, len(prefix)+idDigits)
	copy(buf, prefix)
	for end := len(buf); end > len(prefix); end -= chunk {
		var rest uint64
		n, rest = n.divide()
		for i := end - 1; i >= max(end-chunk, len(prefix)); i-- {
			buf[i] = alphabet[rest%base]
			rest /= base
		}
	}
	return string(buf)
}

// parseNumber reads what format wrote behind the prefix, and nothing else.
func parseNumber(text string) (number, error) {
	if len(text) != idDigits {
		return number{}, errID
	}
	var n number
	for _, c := range []byte(text) {
		d := strings.IndexByte(alphabet, c)
		if d < 0 {
			return number{}, errID
		}
		n = n.timesPlus(base, uint64(d))
	}
	if n.high > math.MaxUint64>>(64-highBits) {
		return number{}, errID
	}
	return n, nil
}
