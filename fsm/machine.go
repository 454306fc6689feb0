package fsm

import (
	"context"
	"fmt"
	"slices"

	looplab "github.com/looplab/fsm"
)

// none marks a pair of status and event for which there is no transition.
const none = 0xff

// The widest machine decides the size of a table; a row of unused cells costs nothing.
const (
	maxStatuses = numRecipientStatuses
	maxEvents   = numRecipientEvents
)

// machine is one lifecycle: its definition for looplab, and what that compiles to.
type machine struct {
	name     string
	statuses []string
	events   []string
	terminal []string // statuses that only the events in reopen may leave
	reopen   []string
	arrows   looplab.Events
	table    [maxStatuses][maxEvents]uint8
}

//nolint:gochecknoglobals // compiled once from constants, never written to afterwards
var recipients = compile(machine{
	name:     "recipient",
	statuses: recipientStatusNames[:],
	events:   recipientEventNames[:],
	terminal: []string{"completed", "failed", "cancelled"},
	reopen:   []string{"retry"},
	arrows: looplab.Events{
		{Name: "dispatch", Src: []string{"queued"}, Dst: "dispatched"},
		{Name: "requeue", Src: []string{"dispatched"}, Dst: "queued"},
		{Name: "connect", Src: []string{"dispatched"}, Dst: "started"},
		{Name: "complete", Src: []string{"dispatched", "started"}, Dst: "completed"},
		{Name: "fail", Src: []string{"queued", "dispatched", "started"}, Dst: "failed"},
		{Name: "cancel", Src: []string{"queued"}, Dst: "cancelled"},
		{Name: "retry", Src: []string{"failed"}, Dst: "queued"},
	},
})

// `completed` is not terminal: it means that all recipients were dispatched, while
// calls may be in flight. If the carrier could not take one of those, its recipient is
// queued again, or cancelled where the batch was cancelled meanwhile.
//
//nolint:gochecknoglobals // compiled once from constants, never written to afterwards
var batches = compile(machine{
	name:     "batch",
	statuses: batchStatusNames[:],
	events:   batchEventNames[:],
	terminal: []string{"failed", "cancelled"},
	reopen:   []string{"requeue_some", "requeue_all"},
	arrows: looplab.Events{
		{Name: "dispatch_some", Src: []string{"pending", "in_progress"}, Dst: "in_progress"},
		{Name: "dispatch_last", Src: []string{"pending", "in_progress"}, Dst: "completed"},
		{Name: "requeue_some", Src: []string{"in_progress", "completed", "failed"}, Dst: "in_progress"},
		{Name: "requeue_all", Src: []string{"in_progress", "completed", "failed"}, Dst: "pending"},
		{Name: "fail_all", Src: []string{"pending", "in_progress", "completed"}, Dst: "failed"},
		{Name: "cancel", Src: []string{"pending", "in_progress", "completed", "cancelled"}, Dst: "cancelled"},
		{Name: "settle", Src: []string{"in_progress"}, Dst: "in_progress"},
		{Name: "settle", Src: []string{"completed"}, Dst: "completed"},
		{Name: "settle", Src: []string{"cancelled"}, Dst: "cancelled"},
	},
})

// compile checks a definition and fills its table by asking looplab for every pair.
// A definition that is wrong is a mistake in this file, so it stops the program.
func compile(m machine) machine {
	if err := m.check(); err != nil {
		panic(err)
	}
	for s, status := range m.statuses {
		for e, event := range m.events {
			m.table[s][e] = none
			if next, ok := m.ask(status, event); ok {
				m.table[s][e] = uint8(slices.Index(m.statuses, next)) //nolint:gosec // an index below 8
			}
		}
	}
	return m
}

// ask has a looplab machine in status take event and tells where it ends.
func (m machine) ask(status, event string) (string, bool) {
	f := looplab.NewFSM(status, m.arrows, nil)
	if !f.Can(event) {
		return "", false
	}
	// Never with a context that can end: looplab would refuse every later event.
	// An event that stays in its status is reported as NoTransitionError, which is no failure.
	if err := f.Event(context.Background(), event); err != nil && f.Current() != status {
		panic(fmt.Sprintf("fsm: %s machine: %q in %q: %v", m.name, event, status, err))
	}
	return f.Current(), true
}

// check finds what looplab does not mind: names that nothing declares, statuses that
// nothing leads to, and ways out of a terminal status.
func (m machine) check() error {
	reached := map[string]bool{m.statuses[0]: true}
	for _, a := range m.arrows {
		if !slices.Contains(m.events, a.Name) {
			return fmt.Errorf("fsm: %s machine: undeclared event %q", m.name, a.Name)
		}
		for _, s := range append([]string{a.Dst}, a.Src...) {
			if !slices.Contains(m.statuses, s) {
				return fmt.Errorf("fsm: %s machine: event %q names undeclared status %q", m.name, a.Name, s)
			}
		}
		for _, s := range a.Src {
			if s != a.Dst && slices.Contains(m.terminal, s) && !slices.Contains(m.reopen, a.Name) {
				return fmt.Errorf("fsm: %s machine: event %q leaves terminal status %q", m.name, a.Name, s)
			}
		}
	}
	for range m.statuses { // as many rounds as the longest path
		for _, a := range m.arrows {
			for _, s := range a.Src {
				reached[a.Dst] = reached[a.Dst] || reached[s]
			}
		}
	}
	for _, s := range m.statuses {
		if !reached[s] {
			return fmt.Errorf("fsm: %s machine: nothing leads to status %q", m.name, s)
		}
	}
	return nil
}

// Mermaid draws both lifecycles as Mermaid state diagrams, the recipient's first.
// The output is stable.
func Mermaid() (recipient, batch string) {
	return recipients.mermaid(), batches.mermaid()
}

func (m machine) mermaid() string {
	f := looplab.NewFSM(m.statuses[0], m.arrows, nil)
	out, err := looplab.VisualizeForMermaidWithGraphType(f, looplab.StateDiagram)
	if err != nil {
		panic(fmt.Sprintf("fsm: drawing the %s machine: %v", m.name, err)) // only an unknown diagram type
	}
	return out
}
