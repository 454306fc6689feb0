package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// tally counts where the recipients of a batch stand.
type tally struct {
	standing []standing // by index
	began    time.Time
	changed  time.Time
	ended    int // how many ended since this process began
	seen     int // how many are known so far
}

type standing struct {
	known  bool
	status fsm.RecipientStatus
	reason dialer.EndReason
}

func newTally(b store.Batch, now time.Time) *tally {
	return &tally{standing: make([]standing, b.Counts.Scheduled()), began: now, changed: now}
}

// apply notes where a recipient stands now. One that had ended before this process began
// does not count for its pace.
func (t *tally) apply(r store.Recipient) {
	if r.Index >= len(t.standing) {
		return
	}
	old := t.standing[r.Index]
	if !old.known {
		t.seen++
	}
	if old.known && !old.status.Terminal() && r.Status.Terminal() {
		t.ended++
	}
	if r.UpdatedAt.After(t.changed) {
		t.changed = r.UpdatedAt
	}
	t.standing[r.Index] = standing{known: true, status: r.Status, reason: r.EndReason}
}

func (t *tally) of(s fsm.RecipientStatus) int {
	n := 0
	for _, r := range t.standing {
		if r.status == s {
			n++
		}
	}
	return n
}

// progress is what is shown.
type progress struct {
	total, queued, ringing, talking, over int

	outcomes []string      // "116 completed"
	rate     float64       // calls that end in a minute; 0: it cannot be told yet
	left     time.Duration // 0: it cannot be told yet
	waiting  string        // why nothing is in progress
}

func (t *tally) progress(now time.Time) progress {
	p := progress{
		total: len(t.standing), queued: t.of(fsm.Queued), ringing: t.of(fsm.Dispatched),
		talking: t.of(fsm.Started), outcomes: t.outcomes(),
	}
	p.over = p.total - p.queued - p.ringing - p.talking
	const enough = 5 // with fewer, an estimate jumps about
	if elapsed := now.Sub(t.began); t.ended >= enough && elapsed > 0 {
		p.rate = float64(t.ended) / elapsed.Minutes()
		p.left = time.Duration(float64(p.total-p.over) / p.rate * float64(time.Minute))
	}
	return p
}

// outcomes counts the recipients that are done, in the words of somebody who watches.
func (t *tally) outcomes() []string {
	labels := []string{"completed", "busy", "no answer", "unreachable", "failed", "not called", "cancelled"}
	counts := make([]int, len(labels))
	for _, r := range t.standing {
		if i := slices.Index(labels, r.label()); i >= 0 {
			counts[i]++
		}
	}
	var out []string
	for i, n := range counts {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, labels[i]))
		}
	}
	return out
}

func (r standing) label() string {
	switch {
	case !r.status.Terminal():
		return ""
	case r.status != fsm.Failed:
		return r.status.String()
	case r.reason == "":
		return "not called"
	}
	switch r.reason { //nolint:exhaustive // the others have no short name
	case dialer.DialBusy:
		return "busy"
	case dialer.DialNoAnswer:
		return "no answer"
	case dialer.DialFailed:
		return "unreachable"
	}
	return "failed"
}

// now says what is going on at this moment.
func (p progress) now() string {
	s := fmt.Sprintf("%d queued, %d ringing, %d talking", p.queued, p.ringing, p.talking)
	if p.rate > 0 {
		s += fmt.Sprintf(", %.0f a minute", p.rate)
	}
	if p.left > 0 {
		s += ", " + roughly(p.left) + " left"
	}
	if p.waiting != "" {
		s += ". Waiting: " + p.waiting
	}
	return s
}

// done says how those ended that are over.
func (p progress) done() string { return strings.Join(p.outcomes, ", ") }

// roughly is exact enough for an estimate: 12s, 3m20s, 2h10m.
func roughly(d time.Duration) string {
	const step = 10 * time.Second
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		d = d.Round(step)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
