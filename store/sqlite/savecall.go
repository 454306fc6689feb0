package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/store/internal/reasons"
)

const (
	// What an event leaves out stays as it was.
	setCall = `UPDATE calls SET status = ?3, unplaced = ?4,
		started_at = ifnull(?7, started_at), ended_at = ifnull(?8, ended_at),
		end_reason = iif(?9 = 0, end_reason, ?9), error = iif(?10 = '', error, ?10), details = ifnull(?11, details)`
	ofCall = " WHERE org = ?1 AND id = ?2"

	updateCall = setCall + ", ref = iif(?5 = '', ref, ?5), rang_at = ifnull(?6, rang_at)" + ofCall

	// Apart from updateCall, which nearly every call needs only and is not to pay for it.
	moveCall = setCall + `, ref = iif(?5 = '' AND ?12 = '', ref, ?5),
		rang_at = iif(?12 = '', ifnull(?6, rang_at), ?6),
		carrier = iif(?12 = '', carrier, ?12), tries = ifnull(?13, tries)` + ofCall

	// Writing what is there already is no change, which the batch's revision must not tell.
	differs = ` AND ((?5 <> '' AND ref <> ?5) OR rang_at IS NOT ifnull(?6, rang_at)
		OR started_at IS NOT ifnull(?7, started_at) OR ended_at IS NOT ifnull(?8, ended_at)
		OR (?9 <> 0 AND end_reason <> ?9) OR (?10 <> '' AND error <> ?10)
		OR details IS NOT ifnull(?11, details)`

	updateCallThatDiffers = updateCall + differs + ")"
	moveCallThatDiffers   = moveCall + differs + ` OR tries IS NOT ifnull(?13, tries)
		OR (?12 <> '' AND (carrier <> ?12 OR ref <> ?5 OR rang_at IS NOT ?6)))`

	updateRecipient = `UPDATE recipients SET status = ?2, call = iif(?3, '', call), end_reason = ?4, error = ?5,
		updated_at = ?6, rev = ?7 WHERE id = ?1`
)

// errGone makes a step fail, and what was known go with it.
var errGone = errors.New("the row is not there any more, or not what it was")

// saveCalls writes what the events did, before the claims look for who is queued.
func (t *turn) saveCalls(ctx context.Context) error {
	var plain, others []*call
	for _, c := range t.moved {
		if c.plain() {
			plain = append(plain, c)
		} else {
			others = append(others, c)
		}
	}
	for ; len(plain) >= endChunk; plain = plain[endChunk:] {
		if err := t.saveEnds(ctx, plain[:endChunk]); err != nil {
			return fmt.Errorf("call %s, or one after it: %w", plain[0].id, err)
		}
	}
	for _, c := range append(plain, others...) {
		if err := t.saveMoved(ctx, c); err != nil {
			return fmt.Errorf("call %s: %w", c.id, err)
		}
	}
	return nil
}

func (t *turn) saveMoved(ctx context.Context, c *call) error {
	written, err := t.saveCall(ctx, c)
	if err != nil || !written {
		return err
	}
	c.b.changed = true
	if c.changed {
		t.org.keepCall(c.id, c.callState)
		return t.saveRecipient(ctx, c)
	}
	return nil
}

func (t *turn) saveCall(ctx context.Context, c *call) (written bool, err error) {
	f := &c.fields
	reason, err := reasons.Number(f.EndReason)
	if err != nil {
		return false, err
	}
	text, args := updateCall, []any{
		t.org.key, c.id, int(c.status), c.unplaced, f.Ref,
		micros(f.RangAt), micros(f.StartedAt), micros(f.EndedAt), reason, f.Error, c.packed.details,
	}
	moves := f.Carrier != "" || c.packed.tries != nil
	if moves {
		text, args = moveCall, append(args, f.Carrier, c.packed.tries)
	}
	switch {
	case c.changed:
	case moves:
		text = moveCallThatDiffers
	default:
		text = updateCallThatDiffers
	}
	done, err := t.c.exec(ctx, text, args...)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 && c.changed {
		err = errGone
	}
	return n > 0, err //nolint:wrapcheck // the caller says what it was doing
}

func (t *turn) saveRecipient(ctx context.Context, c *call) error {
	r := c.recipient
	_, err := t.c.exec(ctx, updateRecipient, c.b.recipientID(c.index), int(r.status), r.leave, r.reason, r.complain,
		micros(t.step.Now), t.org.next())
	return err
}
