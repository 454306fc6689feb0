package batch

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/store"
)

type member struct{ rank, id, place int }

func TestPriorityIsASortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		less := func(a, b *member) bool { return a.rank < b.rank || (a.rank == b.rank && a.id < b.id) }
		p := newPriority(less, func(m *member) *int { return &m.place })
		members := make([]*member, 20)
		for i := range members {
			members[i] = &member{id: i}
		}
		var in []*member
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			m := members[rapid.IntRange(0, 19).Draw(t, "member")]
			if rapid.Bool().Draw(t, "put") {
				m.rank = rapid.IntRange(0, 9).Draw(t, "rank")
				p.put(m)
				if !slices.Contains(in, m) {
					in = append(in, m)
				}
			} else {
				p.drop(m)
				in = slices.DeleteFunc(in, func(x *member) bool { return x == m })
			}
			require.Equal(t, len(in), p.len())
			for _, x := range in {
				require.False(t, less(x, p.first()))
			}
		}
		for p.len() > 0 {
			m := p.first()
			p.drop(m)
			require.Zero(t, m.place)
		}
	})
}

// The batch that is served is always the one that comes before all others.
func TestTheNextBatchIsTheOneBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &scheduler{}
		s.init()
		var jobs []*job
		for i := range rapid.IntRange(1, 12).Draw(t, "batches") {
			j := &job{batch: store.Batch{ID: strconv.Itoa(i), Weight: rapid.IntRange(1, 5).Draw(t, "weight")}}
			j.queued = rapid.IntRange(1, 9).Draw(t, "queued")
			n := Number{Carriers: []string{strconv.Itoa(i % 3)}}
			s.setRoute(j, n, endpoint{}, refusal{}, time.Time{})
			jobs = append(jobs, j)
		}
		s.lineUp()
		for {
			var want *job
			for _, j := range jobs {
				if j.queued > 0 && (want == nil || before(j, want)) {
					want = j
				}
			}
			got := s.next()
			require.Same(t, want, got)
			if got == nil {
				return
			}
			s.take(got, nil, noon())
		}
	})
}
