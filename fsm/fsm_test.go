package fsm

import (
	"os"
	"strings"
	"testing"

	looplab "github.com/looplab/fsm"
	"github.com/stretchr/testify/require"
)

func TestEveryPairOfRecipientStatusAndEvent(t *testing.T) {
	legal := map[string]string{
		"queued dispatch": "dispatched", "queued fail": "failed", "queued cancel": "cancelled",
		"dispatched requeue": "queued", "dispatched connect": "started",
		"dispatched complete": "completed", "dispatched fail": "failed",
		"started complete": "completed", "started fail": "failed",
		"failed retry": "queued",
	}
	for s := range RecipientStatus(numRecipientStatuses) {
		for e := range RecipientEvent(numRecipientEvents) {
			next, err := s.Next(e)
			want, ok := legal[s.String()+" "+e.String()]
			if ok {
				require.NoError(t, err)
				require.Equal(t, want, next.String())
				continue
			}
			var te *TransitionError
			require.ErrorAs(t, err, &te)
			require.Equal(t, TransitionError{Machine: "recipient", Status: s.String(), Event: e.String()}, *te)
			require.Equal(t, s, next, "an illegal event changes nothing")
		}
	}
	_, err := RecipientStatus(77).Next(Dispatch)
	require.EqualError(t, err, `fsm: a recipient that is unknown(77) does not take the event "dispatch"`)
}

func TestReachesIsWhatSomeEventLeadsTo(t *testing.T) {
	for s := range RecipientStatus(numRecipientStatuses) {
		reached := map[RecipientStatus]bool{}
		for e := range RecipientEvent(numRecipientEvents) {
			if next, err := s.Next(e); err == nil {
				reached[next] = true
			}
		}
		for next := range RecipientStatus(numRecipientStatuses + 1) {
			require.Equal(t, reached[next], s.Reaches(next), "%v to %v", s, next)
		}
	}
	require.False(t, RecipientStatus(77).Reaches(Queued))
}

func TestIllegalBatchEventNamesStatusAndEvent(t *testing.T) {
	_, err := BatchCancelled.Next(RequeueSome)
	require.EqualError(t, err, `fsm: a batch that is cancelled does not take the event "requeue_some"`)
}

func TestNamesRoundTrip(t *testing.T) {
	for s := range RecipientStatus(numRecipientStatuses) {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var got RecipientStatus
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, s, got)
	}
	for s := range BatchStatus(numBatchStatuses) {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var got BatchStatus
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, s, got)
	}
	_, err := ParseRecipientStatus("Queued")
	require.EqualError(t, err, `fsm: "Queued" is no recipient status: expected one of `+
		`queued, dispatched, started, completed, failed, cancelled`)
	_, err = BatchStatus(9).MarshalText()
	require.Error(t, err)
}

func TestCheckFindsWhatLooplabDoesNotMind(t *testing.T) {
	def := func(arrows ...looplab.EventDesc) machine {
		return machine{
			name: "toy", statuses: []string{"a", "b", "c"}, events: []string{"go", "end", "again"},
			terminal: []string{"c"}, reopen: []string{"again"}, arrows: arrows,
		}
	}
	ab := looplab.EventDesc{Name: "go", Src: []string{"a"}, Dst: "b"}
	bc := looplab.EventDesc{Name: "end", Src: []string{"b"}, Dst: "c"}
	require.NoError(t, def(ab, bc, looplab.EventDesc{Name: "again", Src: []string{"c"}, Dst: "a"}).check())
	for want, m := range map[string]machine{
		`undeclared event "gone"`:            def(ab, bc, looplab.EventDesc{Name: "gone", Src: []string{"a"}, Dst: "b"}),
		`names undeclared status "d"`:        def(ab, bc, looplab.EventDesc{Name: "go", Src: []string{"d"}, Dst: "b"}),
		`"end" leaves terminal status "c"`:   def(ab, bc, looplab.EventDesc{Name: "end", Src: []string{"c"}, Dst: "a"}),
		`toy machine: nothing leads to stat`: def(ab),
	} {
		require.ErrorContains(t, m.check(), want)
	}
	require.Panics(t, func() { compile(def(ab)) })
}

// The architecture page shows the lifecycles as this package draws them.
func TestDiagramsInTheDocs(t *testing.T) {
	doc, err := os.ReadFile("../ARCHITECTURE.md")
	require.NoError(t, err)
	recipient, batch := Mermaid()
	require.Contains(t, string(doc), "```mermaid\n"+recipient+"```")
	require.Contains(t, string(doc), "```mermaid\n"+batch+"```")
	require.Equal(t, 1+len(recipients.arrowsFlat())+1, strings.Count(recipient, "\n"))
}

func (m machine) arrowsFlat() (flat []string) {
	for _, a := range m.arrows {
		for _, s := range a.Src {
			flat = append(flat, s+" "+a.Name)
		}
	}
	return flat
}

// The derivation from counts and the batch machine agree after every sequence of
// events of up to three recipients, cancels and retries included.
func TestBatchMachineEqualsDerivation(t *testing.T) {
	for n := 1; n <= 3; n++ {
		w := walk{t: t, seen: map[string]bool{}}
		w.from(make([]recipient, n), BatchPending)
		t.Logf("%d recipients: %d states", n, len(w.seen))
		if n > 1 {
			require.Len(t, w.statuses(), numBatchStatuses, "every batch status was seen")
		}
	}
}

type recipient struct {
	status   RecipientStatus
	unplaced bool
}

// walk visits every state that n recipients can reach together; a state that was
// visited has been followed by every event already, so sequences of any length count.
type walk struct {
	t    *testing.T
	seen map[string]bool
}

func (w *walk) from(rs []recipient, status BatchStatus) {
	key := status.String()
	for _, r := range rs {
		key += " " + r.status.String()
		if r.unplaced {
			key += "!"
		}
	}
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	for i, r := range rs {
		for e := range RecipientEvent(numRecipientEvents) {
			if e == Cancel || e == Retry {
				continue // of the whole batch, below
			}
			next, err := r.status.Next(e)
			if err != nil {
				continue
			}
			after := append([]recipient(nil), rs...)
			after[i] = recipient{status: next}
			switch {
			case e == Requeue && status == BatchCancelled:
				after[i].status, err = next.Next(Cancel) // a cancelled batch queues nobody again
				require.NoError(w.t, err)
			case e == Fail && r.status != Started:
				w.step(rs, after, status) // failed with a call
				after = append([]recipient(nil), after...)
				after[i].unplaced = true // and without
			}
			w.step(rs, after, status)
		}
	}
	w.step(rs, all(rs, Cancel), status)
	if status != BatchCancelled {
		w.step(rs, all(rs, Retry), status)
	}
}

// all gives the event to each recipient that takes it.
func all(rs []recipient, e RecipientEvent) []recipient {
	after := append([]recipient(nil), rs...)
	for i := range after {
		if next, err := after[i].status.Next(e); err == nil {
			after[i] = recipient{status: next}
		}
	}
	return after
}

func (w *walk) step(before, after []recipient, status BatchStatus) {
	c, d := count(before), count(after)
	if c == d {
		return // nothing to cancel, nothing to retry
	}
	require.Equal(w.t, c.Scheduled(), d.Scheduled())
	next, err := status.Next(c.Event(d))
	require.NoError(w.t, err, "%+v to %+v", c, d)
	require.Equal(w.t, d.BatchStatus(), next, "%+v to %+v", c, d)
	w.from(after, next)
}

func (w *walk) statuses() map[string]bool {
	found := map[string]bool{}
	for key := range w.seen {
		status, _, _ := strings.Cut(key, " ")
		found[status] = true
	}
	return found
}

func count(rs []recipient) (c Counts) {
	for _, r := range rs {
		c.Add(r.status, 1)
		if r.unplaced {
			c.Unplaced++
		}
	}
	return c
}

func TestCounts(t *testing.T) {
	c := Counts{Queued: 1, Dispatched: 2, Started: 4, Completed: 8, Failed: 16, Cancelled: 32, Unplaced: 3}
	require.Equal(t, 63, c.Scheduled())
	require.Equal(t, 30, c.HandedOver())
	require.Equal(t, 24, c.Finished())
	require.Equal(t, 6, c.InFlight())
	require.False(t, c.Over())
	require.True(t, Counts{Completed: 1}.Over())
	c.Move(Queued, Dispatched)
	require.Equal(t, 0, c.Of(Queued))
	require.Equal(t, 3, c.Of(Dispatched))
	require.Zero(t, c.Of(RecipientStatus(99)))
}

func TestTableMakesNoGarbage(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := Queued.Next(Dispatch); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestErrorsAreNotConfusedAcrossMachines(t *testing.T) {
	_, err := Queued.Next(Connect)
	var te *TransitionError
	require.ErrorAs(t, err, &te)
	require.Equal(t, "recipient", te.Machine)
}
