package postgres

import (
	"fmt"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/reasons"
)

// What never changes while a call lives is read from the rows of its batch, its recipient and its
// node, which keeps the row that each transition rewrites small.
const (
	callColumns = `c.id, b.id, c.idx, c.attempt, n.id, c.caller, r.phone, b.agent, c.dispatched_at,
	c.hang_up_at, ` + callFields

	// What a row of flights has of it and of what follows, and what one of calls has, alike.
	callOwn = `c.org, c.id, c.batch, c.idx, c.attempt, c.owner, c.caller, c.dispatched_at, c.hang_up_at, c.status,
	false AS unplaced, ` + callTexts
	callOver = `c.org, c.id, c.batch, c.idx, c.attempt, c.owner, c.caller, c.dispatched_at, c.hang_up_at, c.status,
	c.unplaced, ` + callTexts

	// A batch is looked up behind what has found its number, lateral and as the first from that number on:
	// otherwise a plan
	// that was made when there was one batch takes any of its indexes, or looks for the rest again for each batch.
	batchAt = " FROM outdial.batches b WHERE b.org = "

	callParents = " CROSS JOIN LATERAL (SELECT b.id, b.agent" + batchAt +
		`c.org AND b.batch >= c.batch ORDER BY b.batch LIMIT 1) b
	CROSS JOIN LATERAL (SELECT r.phone FROM outdial.recipients r
		WHERE r.org = c.org AND r.batch = c.batch AND r.idx = c.idx OFFSET 0) r
	CROSS JOIN LATERAL (SELECT n.id FROM outdial.nodes n WHERE n.key = c.owner OFFSET 0) n`

	selectCall = "SELECT " + callColumns + " FROM (SELECT " + callOwn + " FROM outdial.flights c WHERE c.org = " + ofOrg +
		" AND c.id = $3 UNION ALL SELECT " + callOver + " FROM outdial.calls c WHERE c.org = " + ofOrg + " AND c.id = $3) c" +
		callParents

	// The columns behind callColumns are those that scanClaimed reads.
	claimedColumns = `, o.id,
	(SELECT m.data FROM outdial.metadata m WHERE m.org = c.org AND m.batch = c.batch AND m.idx = c.idx)`
	claimedParents = " JOIN outdial.organisations o ON o.org = c.org"
)

// callRow is a row of callColumns on its way to a store.Call.
type callRow struct {
	store.Call
	fields
}

func (r *callRow) columns() []any {
	c := &r.Call
	return append([]any{
		(*text)(&c.ID), (*text)(&c.BatchID), &c.Index, &c.Attempt, (*text)(&c.Owner), (*text)(&c.From), (*text)(&c.To),
		(*text)(&c.AgentID), (*instant)(&c.DispatchedAt), (*instant)(&c.HangUpAt),
	}, r.fields.columns()...)
}

func (r *callRow) value() (store.Call, error) {
	c, f := r.Call, &r.fields
	c.Status, c.Unplaced, c.Carrier, c.Ref, c.Error = f.status, f.unplaced, f.carrier, f.ref, f.error
	c.RangAt, c.StartedAt, c.EndedAt = f.rang, f.started, f.ended
	var err error
	if c.EndReason, err = reasons.Of(f.reason); err != nil {
		return c, fmt.Errorf("call %s: %w", c.ID, err)
	}
	if c.Tries, err = unpackTries(f.tries); err != nil {
		return c, fmt.Errorf("tries of call %s: %w", c.ID, err)
	}
	if c.Details, err = unpackDetails(f.details); err != nil {
		return c, fmt.Errorf("details of call %s: %w", c.ID, err)
	}
	return c, nil
}

// scanCall reads a row of callColumns.
func scanCall(scan func(...any) error, org string) (store.Call, error) {
	r := callRow{Call: store.Call{Org: org}}
	if err := scan(r.columns()...); err != nil {
		return store.Call{}, err
	}
	return r.value()
}

// scanClaimed reads a row of selectClaimed.
func scanClaimed(scan func(...any) error) (out store.Claimed, err error) {
	r := callRow{}
	if err := scan(append(r.columns(), (*text)(&r.Org), (*[]byte)(&out.Metadata))...); err != nil {
		return out, err
	}
	out.Call, err = r.value()
	return out, err
}
