package sqlite

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/reasons"
)

// What never changes while a call lives is read from the rows of its batch, its
// recipient and its node, which keeps the row that each transition rewrites small.
const (
	callColumns = `c.id, b.id, c.idx, c.attempt, c.status, n.id, c.carrier, c.caller, r.phone, b.agent, c.ref,
		c.dispatched_at, c.rang_at, c.started_at, c.ended_at, c.hang_up_at, c.end_reason, c.unplaced, c.error, c.details,
		c.tries`

	callParents = ` CROSS JOIN batches b ON b.key = c.batch
		CROSS JOIN recipients r ON r.id = (c.batch << 16) + c.idx
		CROSS JOIN nodes n ON n.key = c.owner`

	// The columns behind callColumns are those that scanClaimed reads.
	selectClaimed = "SELECT " + callColumns + `, (SELECT m.data FROM metadata m WHERE m.id = r.id), c.org,
		(SELECT o.id FROM organisations o WHERE o.key = c.org) FROM calls c` + callParents
)

// callRow is a row of callColumns on its way to a store.Call.
type callRow struct {
	call   store.Call
	status int
	reason int16
	packed pack
}

// columns is where callColumns are scanned into.
func (r *callRow) columns() []any {
	c := &r.call
	return []any{
		&c.ID, &c.BatchID, &c.Index, &c.Attempt, &r.status, &c.Owner, &c.Carrier, (*string)(&c.From), (*string)(&c.To),
		&c.AgentID, &c.Ref, (*instant)(&c.DispatchedAt), (*instant)(&c.RangAt), (*instant)(&c.StartedAt),
		(*instant)(&c.EndedAt), (*instant)(&c.HangUpAt), &r.reason, &c.Unplaced, &c.Error, &r.packed.details, &r.packed.tries,
	}
}

func (r *callRow) value() (store.Call, error) {
	var err error
	r.call.Status = fsm.RecipientStatus(r.status) //nolint:gosec // a status, below 6
	if r.call.EndReason, err = reasons.Of(r.reason); err != nil {
		return store.Call{}, err
	}
	if r.call.Details, err = unpackMap(r.packed.details); err != nil {
		return store.Call{}, err
	}
	r.call.Tries, err = unpackTries(r.packed.tries)
	return r.call, err
}

// scanClaimed reads a row of selectClaimed.
func scanClaimed(scan func(...any) error) (out store.Claimed, org int64, err error) {
	r := callRow{}
	if err := scan(append(r.columns(), (*[]byte)(&out.Metadata), &org, &r.call.Org)...); err != nil {
		return out, 0, err
	}
	out.Call, err = r.value()
	return out, org, err
}
