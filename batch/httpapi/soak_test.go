package httpapi_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak keeps its clients at it, for each store")

const soakClients = 64

// soak is many clients that do things to the same batches at random.
type soak struct {
	*station

	sent    atomic.Int64
	mu      sync.Mutex
	batches []string
	done    map[string]int // requests by what they were for and their status
}

func TestSoak(t *testing.T) {
	eachStore(t, func(t *testing.T, st store.Store) {
		s := &soak{station: newStation(t, st), done: map[string]int{}}
		until := time.Now().Add(*soakTime)
		var clients errgroup.Group
		for i := range soakClients {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			clients.Go(func() error {
				for time.Now().Before(until) {
					if err := s.act(t.Context(), rng); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, clients.Wait())
		s.settle(t)
		s.judge(t)
		t.Log(len(s.batches), "batches;", s.done)
	})
}

// act does one thing, and checks that the answer is one of those that it may get.
func (s *soak) act(ctx context.Context, rng *rand.Rand) error {
	id := s.some(rng)
	if id == "" || rng.IntN(100) < 8 {
		return s.create(ctx, rng)
	}
	path := "/agents/calls/batches/" + id
	switch rng.IntN(9) {
	case 0:
		return s.read(ctx, path)
	case 1:
		return s.expect(ctx, "list", http.MethodGet, "/agents/calls/batches?status=in_progress,pending&limit=20&starting_after="+id, "", 200)
	case 2:
		if rng.IntN(4) == 0 {
			return s.cancel(ctx, id)
		}
		return s.expect(ctx, "recipients", http.MethodGet, path+"/recipients?status=failed", "", 200)
	case 3:
		return s.expect(ctx, "retry", http.MethodPost, path+"/retry", "", 200, 400)
	case 4:
		return s.expect(ctx, "pause", http.MethodPost, path+"/pause", "", 200)
	case 5, 6:
		return s.expect(ctx, "resume", http.MethodPost, path+"/resume", "", 200)
	case 7:
		return s.expect(ctx, "target", http.MethodPatch, path, fmt.Sprintf(`{"target_concurrency_limit":%d}`, 1+rng.IntN(stationLimit)), 200)
	default:
		return s.hangUp(ctx, id)
	}
}

func (s *soak) some(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 {
		return ""
	}
	return s.batches[rng.IntN(len(s.batches))]
}

// create asks for a batch, at times under a key that others use as well.
func (s *soak) create(ctx context.Context, rng *rand.Rand) error {
	people := make([]string, 1+rng.IntN(12))
	for i := range people {
		people[i] = fmt.Sprintf(`{"to_number":"+1415%07d","metadata":{"n":%d}}`, rng.IntN(1e7), i)
	}
	body := fmt.Sprintf(`{"name":"soak","agent_id":"agent_1","from_number_id":"ap_brief","recipients":[%s],"weight":%d}`,
		strings.Join(people, ","), 1+rng.IntN(5))
	key := ""
	if rng.IntN(2) == 0 {
		key = fmt.Sprint("key-", rng.IntN(200))
	}
	status, answer, err := s.send(ctx, http.MethodPost, "/agents/calls/batches", body, key)
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		var b struct{ ID string }
		if err := json.Unmarshal(answer, &b); err != nil {
			return err
		}
		s.mu.Lock()
		s.batches = append(s.batches, b.ID)
		s.mu.Unlock()
	}
	return s.check("create", status, answer, 201, 409, 422)
}

// cancel writes down in the carrier's books when it had returned.
func (s *soak) cancel(ctx context.Context, id string) error {
	status, answer, err := s.send(ctx, http.MethodPost, "/agents/calls/batches/"+id+"/cancel", "", "")
	if err != nil {
		return err
	}
	var b soaked
	if err := json.Unmarshal(answer, &b); err != nil {
		return err
	}
	if b.Status == "cancelled" { // else it was over, and may be retried
		s.carriers["brief"].Mark(id)
	}
	return s.check("cancel", status, answer, 200)
}

// hangUp ends a call of the batch, if there is one.
func (s *soak) hangUp(ctx context.Context, id string) error {
	status, answer, err := s.send(ctx, http.MethodGet, "/agents/calls?limit=1&batch_id="+id, "", "")
	if err != nil {
		return err
	}
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(answer, &list); err != nil || len(list.Data) == 0 {
		return s.check("calls", status, answer, 200)
	}
	return s.expect(ctx, "hang up", http.MethodPost, "/agents/calls/"+list.Data[0].ID+"/cancel", "", 200, 400)
}

// soaked is what is checked of a batch.
type soaked struct {
	Status      string
	Scheduled   int       `json:"total_calls_scheduled"`
	Dispatched  int       `json:"total_calls_dispatched"`
	Finished    int       `json:"total_calls_finished"`
	CancelledAt time.Time `json:"cancelled_at"`
	Counts      map[string]int
	Recipients  []struct{ ID, Status string }
}

// read checks that a batch agrees with itself, whatever happens to it at this moment.
func (s *soak) read(ctx context.Context, path string) error {
	status, answer, err := s.send(ctx, http.MethodGet, path, "", "")
	if err != nil {
		return err
	}
	var b soaked
	if err := json.Unmarshal(answer, &b); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, answer)
	}
	return s.check("read", status, answer, 200)
}

// unplacedCount is a part of those that failed, not a status.
const unplacedCount = "failed_before_call"

func (b soaked) check() error {
	counted, sum := map[string]int{}, 0
	if unplaced := b.Counts[unplacedCount]; unplaced > b.Counts["failed"] {
		return fmt.Errorf("of %d that failed %d were not called", b.Counts["failed"], unplaced)
	}
	for _, r := range b.Recipients {
		counted[r.Status]++
	}
	for status, n := range b.Counts {
		if status == unplacedCount {
			continue
		}
		sum += n
		if counted[status] != n {
			return fmt.Errorf("%d recipients are %s, not %d", counted[status], status, n)
		}
	}
	c := b.Counts
	switch {
	case sum != b.Scheduled || len(b.Recipients) != b.Scheduled:
		return fmt.Errorf("of %d recipients %d are counted and %d listed", b.Scheduled, sum, len(b.Recipients))
	case b.Finished != c["completed"]+c["failed"], b.Dispatched != b.Finished+c["dispatched"]+c["started"]:
		return fmt.Errorf("%d dispatched, %d finished", b.Dispatched, b.Finished)
	}
	return nil
}

func (s *soak) expect(ctx context.Context, what, method, path, body string, allowed ...int) error {
	status, answer, err := s.send(ctx, method, path, body, "")
	if err != nil {
		return err
	}
	return s.check(what, status, answer, allowed...)
}

func (s *soak) check(what string, status int, answer []byte, allowed ...int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[fmt.Sprint(what, " ", status)]++
	if !slices.Contains(allowed, status) {
		return fmt.Errorf("%s: status %d: %s", what, status, answer)
	}
	return nil
}

func (s *soak) send(ctx context.Context, method, path, body, key string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("X-Api-Key", ownKey)
	r.Header.Set("Cartesia-Version", "2026-08-14")
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	client := s.plain
	if s.sent.Add(1)%8 == 0 { // comparing costs more than answering
		client = s.client
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// settle cancels what is left, and waits for the calls in flight.
func (s *soak) settle(t *testing.T) {
	t.Helper()
	slices.Sort(s.batches)
	s.batches = slices.Compact(s.batches) // those under a key were answered more than once
	for _, id := range s.batches {
		require.NoError(t, s.cancel(t.Context(), id))
	}
	require.Eventually(t, func() bool {
		status, answer, err := s.send(t.Context(), http.MethodGet, "/agents/calls/batches?status=pending,in_progress", "", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		return strings.Contains(string(answer), `"data":[]`) && s.carriers["brief"].Live() == 0
	}, patience, interval)
}

func (s *soak) judge(t *testing.T) {
	t.Helper()
	books := s.carriers["brief"].Books()
	require.Empty(t, books.DoubleRings(), "an attempt rang twice")
	require.Empty(t, books.DoublePlaced(), "an attempt was placed twice")
	require.LessOrEqual(t, books.MostAtOnce(fake.Scope{}), stationLimit)
	require.Positive(t, books.Placed(fake.Scope{}))
	for _, id := range s.batches {
		path := "/agents/calls/batches/" + id
		var b soaked
		require.Eventually(t, func() bool { // the carrier knows of the end first
			b = soaked{}
			s.decode(t, path, &b)
			return b.Counts["queued"]+b.Counts["dispatched"]+b.Counts["started"] == 0
		}, patience, interval)
		require.NoError(t, b.check(), path)
		s.judgeCancel(t, books, id, b)
	}
}

// judgeCancel looks at who was called after the cancel had returned: those who had been dispatched by then, which may
// be later than the time of the cancel, as that is taken before it waits for its turn; and nobody else.
func (s *soak) judgeCancel(t *testing.T, books fake.Books, id string, b soaked) {
	t.Helper()
	if b.Status != "cancelled" {
		return
	}
	at := slices.IndexFunc(books.Entries, func(e fake.Entry) bool { return e.Event == fake.Marked && e.Mark == id })
	require.GreaterOrEqual(t, at, 0)
	returned := books.Entries[at].At
	for _, e := range books.PlacedAfter(id, fake.Scope{Batch: id}) {
		i := slices.IndexFunc(b.Recipients, func(r struct{ ID, Status string }) bool { return r.ID == e.Recipient })
		require.NotEqual(t, "cancelled", b.Recipients[i].Status)
		var call struct {
			StartTime time.Time `json:"start_time"`
		}
		s.decode(t, "/agents/calls/"+e.Call, &call)
		require.False(t, call.StartTime.After(returned), "%s was dispatched after the cancel", e.Call)
	}
}

func (s *soak) decode(t *testing.T, path string, into any) {
	t.Helper()
	status, answer, err := s.send(t.Context(), http.MethodGet, path, "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, json.Unmarshal(answer, into))
}
