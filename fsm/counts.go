package fsm

// Counts is how many recipients of a batch stand where. Their sum is the number of
// recipients that the batch was created with, always.
type Counts struct {
	Queued     int
	Dispatched int
	Started    int
	Completed  int
	Failed     int
	Cancelled  int

	// Unplaced is how many of Failed failed before a call could be placed. It is
	// part of Failed, not of the sum.
	Unplaced int
}

// Scheduled is the number of recipients of the batch. It never changes.
func (c Counts) Scheduled() int {
	return c.Queued + c.Dispatched + c.Started + c.Completed + c.Failed + c.Cancelled
}

// HandedOver is the number of recipients handed to the dialer so far, those included
// that failed before a call could be placed (total_calls_dispatched of the HTTP contract).
func (c Counts) HandedOver() int { return c.Dispatched + c.Started + c.Completed + c.Failed }

// Finished is the number of recipients whose latest attempt is over, or could not
// be made (total_calls_finished of the HTTP contract).
func (c Counts) Finished() int { return c.Completed + c.Failed }

// InFlight is the number of recipients with a call that is not known to be over.
func (c Counts) InFlight() int { return c.Dispatched + c.Started }

// Over says that nothing more happens to the batch unless somebody asks for a retry.
func (c Counts) Over() bool { return c.Queued == 0 && c.InFlight() == 0 }

// Of returns how many recipients have that status.
func (c Counts) Of(s RecipientStatus) int {
	if p := c.at(s); p != nil {
		return *p
	}
	return 0
}

// Add changes the count of one status by n.
func (c *Counts) Add(s RecipientStatus, n int) {
	if p := c.at(s); p != nil {
		*p += n
	}
}

// Move counts one recipient that went from one status to another.
func (c *Counts) Move(from, to RecipientStatus) {
	c.Add(from, -1)
	c.Add(to, 1)
}

func (c *Counts) at(s RecipientStatus) *int {
	switch s {
	case Queued:
		return &c.Queued
	case Dispatched:
		return &c.Dispatched
	case Started:
		return &c.Started
	case Completed:
		return &c.Completed
	case Failed:
		return &c.Failed
	case Cancelled:
		return &c.Cancelled
	}
	return nil
}

// BatchStatus derives the status of a batch from its counts.
func (c Counts) BatchStatus() BatchStatus {
	switch n := c.Scheduled(); {
	case c.Cancelled > 0:
		return BatchCancelled
	case c.Queued == n:
		return BatchPending
	case c.Unplaced == n:
		return BatchFailed
	case c.Queued == 0:
		return BatchCompleted
	}
	return BatchInProgress
}

// Event tells which event of the batch machine leads from c to next, where next
// differs from c by one event of one recipient or by a cancel or a retry of the batch.
func (c Counts) Event(next Counts) BatchEvent {
	switch n := next.Scheduled(); {
	case next.Cancelled > c.Cancelled:
		return CancelBatch
	case next.Unplaced == n:
		return FailAll
	case next.Queued > c.Queued && next.Queued == n:
		return RequeueAll
	case next.Queued > c.Queued:
		return RequeueSome
	case next.Queued < c.Queued && next.Queued == 0:
		return DispatchLast
	case next.Queued < c.Queued:
		return DispatchSome
	}
	return Settle
}
