package media

import "github.com/zaf/g711"

// encode appends the frame in the encoding of the codec.
func (c Codec) encode(to []byte, f *Frame) []byte {
	if c == PCMA {
		for _, sample := range f {
			to = append(to, g711.EncodeAlawFrame(sample))
		}
		return to
	}
	for _, sample := range f {
		to = append(to, g711.EncodeUlawFrame(sample))
	}
	return to
}

// sample is the sample that a byte stands for.
func (c Codec) sample(b byte) int16 {
	if c == PCMA {
		return g711.DecodeAlawFrame(b)
	}
	return g711.DecodeUlawFrame(b)
}

// format is a codec under the number that RTP packets have for it.
type format struct {
	number uint8
	codec  Codec
}

// The numbers that we give, and know: the static ones of RFC 3551, section 6, and the one that
// most of the world uses for events.
const (
	numberPCMU   = 0
	numberPCMA   = 8
	numberNoise  = 13 // comfort noise (RFC 3389), which many send unasked
	numberEvents = 101
)

func ours(codecs []Codec) []format {
	list := make([]format, len(codecs))
	for i, codec := range codecs {
		list[i] = format{numberEvents, codec}
		switch codec {
		case PCMU:
			list[i].number = numberPCMU
		case PCMA:
			list[i].number = numberPCMA
		case TelephoneEvent:
		}
	}
	return list
}

// noise is a faint white noise, about 60 dB below full scale. The zero value makes it.
type noise struct{ state uint32 }

func (n *noise) frame(f *Frame) {
	if n.state == 0 {
		n.state = 0x9e3779b9 // any number but 0, of which xorshift makes nothing
	}
	for i := range f {
		n.state ^= n.state << 13
		n.state ^= n.state >> 17
		n.state ^= n.state << 5
		const loudest = 64
		f[i] = int16(n.state%loudest) - loudest/2
	}
}
