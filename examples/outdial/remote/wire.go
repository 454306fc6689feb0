package remote

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// wireBatch is a batch as the contract has it.
type wireBatch struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	AgentID     string          `json:"agent_id"`
	NumberID    string          `json:"from_number_id"`
	Region      string          `json:"region"`
	Target      int             `json:"target_concurrency_limit"`
	Weight      int             `json:"weight"`
	RingSeconds int             `json:"ringing_timeout_seconds"`
	MaxMinutes  int             `json:"max_call_duration_minutes"`
	Status      fsm.BatchStatus `json:"status"`
	RetryCount  int             `json:"retry_count"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"last_updated_at"`
	ScheduledAt time.Time       `json:"scheduled_at"`
	AdmittedAt  time.Time       `json:"admitted_at"`
	PausedAt    time.Time       `json:"paused_at"`
	CancelledAt time.Time       `json:"cancelled_at"`
	Counts      wireCounts      `json:"counts"`
}

type wireCounts struct {
	Queued     int `json:"queued"`
	Dispatched int `json:"dispatched"`
	Started    int `json:"started"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`

	Unplaced *int `json:"failed_before_call"` // nil: the server is another one, which does not tell
}

func (b wireBatch) record() store.Batch {
	return store.Batch{
		ID: b.ID, Name: b.Name, AgentID: b.AgentID, NumberID: b.NumberID, Region: b.Region,
		Target: b.Target, Weight: b.Weight,
		RingTimeout: time.Duration(b.RingSeconds) * time.Second, MaxDuration: time.Duration(b.MaxMinutes) * time.Minute,
		CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt, ScheduledAt: b.ScheduledAt, AdmittedAt: b.AdmittedAt,
		PausedAt: b.PausedAt, CancelledAt: b.CancelledAt, RetryCount: b.RetryCount,
		Counts: fsm.Counts{
			Queued: b.Counts.Queued, Dispatched: b.Counts.Dispatched, Started: b.Counts.Started,
			Completed: b.Counts.Completed, Failed: b.Counts.Failed, Cancelled: b.Counts.Cancelled,
			Unplaced: b.unplaced(),
		},
	}
}

// unplaced is what the server tells, or what the status gives away.
func (b wireBatch) unplaced() int {
	switch {
	case b.Counts.Unplaced != nil:
		return *b.Counts.Unplaced
	case b.Counts.Failed == 0:
		return 0
	case b.Status == fsm.BatchFailed:
		return b.Counts.Failed
	}
	return Unknown
}

// wireRecipient is a recipient as the contract has it.
type wireRecipient struct {
	ID        string              `json:"id"`
	To        dialer.Phone        `json:"to_number"`
	Status    fsm.RecipientStatus `json:"status"`
	CallID    string              `json:"agent_call_id"`
	EndReason dialer.EndReason    `json:"end_reason"`
	Error     string              `json:"error_message"`
	Attempts  int                 `json:"attempts"`
	Metadata  json.RawMessage     `json:"metadata"`
	CreatedAt time.Time           `json:"created_at"`
	UpdatedAt time.Time           `json:"last_updated_at"`
	Waiting   *wireWaiting        `json:"waiting"`
}

type wireWaiting struct {
	Reason   batch.WaitReason `json:"reason"`
	Detail   string           `json:"detail"`
	Position int              `json:"position"`
	Until    time.Time        `json:"until"`
}

func (r wireRecipient) record() (store.Recipient, error) {
	batchID, index, err := store.ParseRecipientID(r.ID)
	if err != nil {
		return store.Recipient{}, fmt.Errorf("recipient %.40q of the server's: %w", r.ID, err)
	}
	if string(r.Metadata) == "null" {
		r.Metadata = nil
	}
	return store.Recipient{
		BatchID: batchID, Index: index, To: r.To, Metadata: r.Metadata, Status: r.Status, Attempts: r.Attempts,
		CallID: r.CallID, EndReason: r.EndReason, Error: r.Error, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, nil
}

func (w *wireWaiting) record() batch.Waiting {
	if w == nil {
		return batch.Waiting{}
	}
	return batch.Waiting{Reason: w.Reason, Detail: w.Detail, Position: w.Position, Until: w.Until}
}

// wireCall is a call as the contract has it.
type wireCall struct {
	ID           string           `json:"id"`
	AgentID      string           `json:"agent_id"`
	Status       string           `json:"status"`
	BatchID      string           `json:"batch_id"`
	RecipientID  string           `json:"recipient_id"`
	Attempt      int              `json:"attempt"`
	Carrier      string           `json:"carrier"`
	DispatchedAt time.Time        `json:"start_time"`
	RangAt       time.Time        `json:"rang_at"`
	StartedAt    time.Time        `json:"connected_at"`
	EndedAt      time.Time        `json:"end_time"`
	EndReason    dialer.EndReason `json:"end_reason"`
	Error        string           `json:"error_message"`
}

func (c wireCall) record() (store.Call, error) {
	_, index, err := store.ParseRecipientID(c.RecipientID)
	if err != nil {
		return store.Call{}, fmt.Errorf("call %.40q of the server's: %w", c.ID, err)
	}
	if c.Status == "created" { // which is how the contract calls it for calls
		c.Status = fsm.Dispatched.String()
	}
	status, err := fsm.ParseRecipientStatus(c.Status)
	if err != nil {
		return store.Call{}, fmt.Errorf("call %.40q of the server's: %w", c.ID, err)
	}
	return store.Call{
		ID: c.ID, BatchID: c.BatchID, Index: index, Attempt: c.Attempt, Status: status, Carrier: c.Carrier,
		AgentID: c.AgentID, DispatchedAt: c.DispatchedAt, RangAt: c.RangAt, StartedAt: c.StartedAt,
		EndedAt: c.EndedAt, EndReason: c.EndReason, Error: c.Error,
	}, nil
}
