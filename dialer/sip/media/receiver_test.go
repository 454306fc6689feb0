package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func aReceiver() *receiver {
	c := Config{Reorder: defaultReorder}
	r := newReceiver(c, 1, func(netip.AddrPort) {})
	r.apply(agreement{
		to:      netip.MustParseAddrPort("192.0.2.1:4000"),
		receive: []format{{numberPCMU, PCMU}, {numberPCMA, PCMA}, {numberEvents, TelephoneEvent}},
	})
	r.answered()
	return r
}

// FuzzDatagrams feeds a receiver a series of datagrams, each with its length before it, and
// the time in between; from one of three addresses.
func FuzzDatagrams(f *testing.F) {
	audio := []byte{14, 0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff}
	key := []byte{16, 0x80, 101, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0x8a, 0, 160}
	f.Add(append(append(append([]byte{}, audio...), key...), audio...))
	f.Add([]byte{21, 0xbf, 0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 0, 0, 0, 3})
	from := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.1:4002"),
		netip.MustParseAddrPort("192.0.2.9:4000"),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := aReceiver()
		for i := 0; len(data) > 0; i++ {
			n := min(1+int(data[0]), len(data))
			r.take(data[1:n], from[i%len(from)], time.Unix(int64(i), 0))
			data = data[n:]
			if i%2 == 0 {
				require.True(t, r.tick())
			}
			require.LessOrEqual(t, r.order.holding, r.order.depth)
			require.LessOrEqual(t, len(r.inbox.queue), unread)
			require.GreaterOrEqual(t, r.order.lost, 0)
		}
	})
}

// TestEveryOrderOfPackets pushes six packets in each of their 720 orders, each of them twice in
// half of these: what is released is in order and has none twice, and the counts add up.
func TestEveryOrderOfPackets(t *testing.T) {
	const packets = 6
	for _, numbers := range permutations(packets) {
		for _, twice := range []bool{false, true} {
			var released []uint16
			o := order{depth: 3, release: func(p packet) { released = append(released, p.sequence) }}
			const first = 65533 // so that they wrap
			o.push(packet{sequence: first - 1})
			pushed := 1
			for _, n := range numbers {
				p := packet{sequence: first + uint16(n)}
				o.push(p)
				pushed++
				if twice {
					o.push(p)
					pushed++
				}
			}
			for range packets {
				o.tick()
			}
			for i := 1; i < len(released); i++ {
				require.Positive(t, int16(released[i]-released[i-1]), "%v", numbers)
			}
			require.Equal(t, pushed, len(released)+o.late+o.duplicate, "%v", numbers)
			require.Zero(t, o.holding)
			require.Zero(t, o.lost, "%v", numbers)
		}
	}
}

func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			longer := append([]int{}, shorter[:at]...)
			all = append(all, append(append(longer, n-1), shorter[at:]...))
		}
	}
	return all
}
