package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/store"
)

// document is what --json writes, whatever the command: one object with the members that
// apply. Times are RFC 3339 in UTC; a time that has not come is left out.
type document struct {
	Batch      *batchJSON      `json:"batch,omitempty"`
	Batches    *[]batchJSON    `json:"batches,omitempty"`
	Outcomes   *[]outcomeJSON  `json:"outcomes,omitempty"`
	Refusals   []refusalJSON   `json:"refusals,omitempty"`
	Waiting    *waitingJSON    `json:"waiting,omitempty"`
	Recipients []recipientJSON `json:"recipients,omitempty"`
	Plan       *planJSON       `json:"plan,omitempty"`
	Check      *checkJSON      `json:"check,omitempty"`
	File       *fileJSON       `json:"file,omitempty"`
	Key        *keyJSON        `json:"key,omitempty"`
	Nodes      *[]nodeJSON     `json:"nodes,omitempty"`
	Note       string          `json:"note,omitempty"`
	Error      *errJSON        `json:"error,omitempty"`
}

type batchJSON struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation,omitempty"` // not told by a server
	Name         string     `json:"name"`
	AgentID      string     `json:"agent_id"`
	NumberID     string     `json:"from_number_id"`
	Region       string     `json:"region"`
	Status       string     `json:"status"`
	Over         bool       `json:"over"`
	Target       int        `json:"target_concurrency_limit"`
	Weight       int        `json:"weight"`
	RingSeconds  int        `json:"ringing_timeout_seconds"`
	MaxMinutes   int        `json:"max_call_duration_minutes"`
	Scheduled    int        `json:"total_calls_scheduled"`
	Counts       countsJSON `json:"counts"`
	RetryCount   int        `json:"retry_count"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"last_updated_at"`
	ScheduledAt  time.Time  `json:"scheduled_at,omitzero"`
	AdmittedAt   time.Time  `json:"admitted_at,omitzero"`
	PausedAt     time.Time  `json:"paused_at,omitzero"`
	CancelledAt  time.Time  `json:"cancelled_at,omitzero"`
}

type countsJSON struct {
	Queued     int  `json:"queued"`
	Dispatched int  `json:"dispatched"`
	Started    int  `json:"started"`
	Completed  int  `json:"completed"`
	Failed     int  `json:"failed"`
	Cancelled  int  `json:"cancelled"`
	Unplaced   *int `json:"failed_before_a_call,omitempty"` // a server does not always tell
}

func batchOf(b store.Batch) *batchJSON {
	c := b.Counts
	var unplaced *int
	if c.Unplaced >= 0 {
		unplaced = &c.Unplaced
	}
	return &batchJSON{
		ID: b.ID, Organisation: b.Org, Name: b.Name, AgentID: b.AgentID, NumberID: b.NumberID,
		Region: b.Region, Status: b.Status().String(), Over: c.Over(), Target: b.Target, Weight: b.Weight,
		RingSeconds: int(b.RingTimeout / time.Second), MaxMinutes: int(b.MaxDuration / time.Minute),
		Scheduled: c.Scheduled(), RetryCount: b.RetryCount,
		Counts: countsJSON{
			Queued: c.Queued, Dispatched: c.Dispatched, Started: c.Started, Completed: c.Completed,
			Failed: c.Failed, Cancelled: c.Cancelled, Unplaced: unplaced,
		},
		CreatedAt: b.CreatedAt.UTC(), UpdatedAt: b.UpdatedAt.UTC(), ScheduledAt: b.ScheduledAt.UTC(),
		AdmittedAt: b.AdmittedAt.UTC(), PausedAt: b.PausedAt.UTC(), CancelledAt: b.CancelledAt.UTC(),
	}
}

// outcomeJSON is how some of the recipients ended, or where they stand.
type outcomeJSON struct {
	Status    string  `json:"status"`
	EndReason string  `json:"end_reason,omitempty"`
	Message   string  `json:"message,omitempty"` // why no call could be placed, or what broke
	Count     int     `json:"count"`
	Share     float64 `json:"share"`
}

type waitingJSON struct {
	Reason   string    `json:"reason"`
	Detail   string    `json:"detail"`
	Position int       `json:"position"`
	Until    time.Time `json:"until,omitzero"`
}

// waitingOf returns nil for somebody who does not wait.
func waitingOf(w batch.Waiting) *waitingJSON {
	if w.Reason == "" {
		return nil
	}
	return &waitingJSON{Reason: string(w.Reason), Detail: w.Detail, Position: w.Position, Until: w.Until.UTC()}
}

// text is the reason for a person to read.
func (w *waitingJSON) text() string {
	if w.Until.IsZero() {
		return w.Detail
	}
	return w.Detail + ", until " + w.Until.Format("15:04:05 UTC on 2 January")
}

type recipientJSON struct {
	ID           string          `json:"id"`
	To           string          `json:"to_number"`
	Status       string          `json:"status"`
	EndReason    string          `json:"end_reason,omitempty"`
	Error        string          `json:"error_message,omitempty"`
	Attempts     int             `json:"attempts"`
	CallID       string          `json:"agent_call_id,omitempty"`
	DispatchedAt time.Time       `json:"dispatched_at,omitzero"`
	RangAt       time.Time       `json:"rang_at,omitzero"`
	StartedAt    time.Time       `json:"started_at,omitzero"`
	EndedAt      time.Time       `json:"ended_at,omitzero"`
	Carrier      string          `json:"carrier,omitempty"`
	Tries        []tryJSON       `json:"tries,omitempty"` // of the last call: the carriers that refused it before
	Metadata     json.RawMessage `json:"metadata,omitempty"`
}

// recipientsOf takes the tries by the call's id.
func recipientsOf(results []csvfile.Result, tries map[string][]store.Try) []recipientJSON {
	out := make([]recipientJSON, len(results))
	for i, r := range results {
		out[i] = recipientJSON{
			ID: r.RecipientID, To: string(r.To), Status: r.Status, EndReason: r.EndReason, Error: r.Error,
			Attempts: r.Attempts, CallID: r.CallID, DispatchedAt: r.Dispatched.UTC(), RangAt: r.Rang.UTC(),
			StartedAt: r.Started.UTC(), EndedAt: r.Ended.UTC(), Carrier: r.Carrier, Metadata: r.Metadata,
			Tries: triesOf(tries[r.CallID]),
		}
	}
	return out
}

// fileJSON is what was read of the CSV file.
type fileJSON struct {
	Recipients int           `json:"recipients"`
	Duplicates int           `json:"duplicates"`
	Deduped    bool          `json:"duplicates_left_out"`
	Skipped    []problemJSON `json:"skipped,omitempty"`
}

type problemJSON struct {
	Line    int    `json:"line,omitempty"`
	Column  string `json:"column,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func problemsOf(problems []csvfile.Problem) []problemJSON {
	out := make([]problemJSON, len(problems))
	for i, p := range problems {
		out[i] = problemJSON{Line: p.Line, Column: p.Column, Code: string(p.Code), Message: p.Message, Hint: p.Hint}
	}
	return out
}

type errJSON struct {
	Message  string        `json:"message"`
	ExitCode int           `json:"exit_code"`
	Problems []problemJSON `json:"problems,omitempty"` // of the file
	Fields   []fieldJSON   `json:"fields,omitempty"`   // of the request
}

type fieldJSON struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func errorJSON(err error) *errJSON {
	e := &errJSON{Message: err.Error(), ExitCode: exitCode(err)}
	if file, ok := errors.AsType[*fileError](err); ok {
		e.Problems = problemsOf(file.problems)
	}
	if invalid, ok := errors.AsType[*batch.InvalidError](err); ok {
		for _, f := range invalid.Fields {
			e.Fields = append(e.Fields, fieldJSON{Path: f.Path, Message: f.Message})
		}
	}
	return e
}

func (a *app) printJSON(d document) {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		a.say("outdial: %v", fmt.Errorf("writing JSON: %w", err))
	}
}
