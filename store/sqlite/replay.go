package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
)

// served answers a claim that an earlier try has written, and says whether one has.
func (t *turn) served(ctx context.Context, claim *store.Claim) (bool, error) {
	written := false
	for chunk := range slices.Chunk(claim.CallIDs, callChunk) {
		list, args := idList(t.org.key, chunk)
		rows, err := t.c.query(ctx, selectClaimed+" WHERE c.org = ? AND c.id IN "+list+" ORDER BY c.id", args...)
		found, err := collect(rows, err, scanOrphan)
		if err != nil {
			return false, fmt.Errorf("look for calls of an earlier try: %w", err)
		}
		for _, c := range found {
			written = true
			if c.Call.Owner == t.step.Owner {
				t.out.Claimed = append(t.out.Claimed, c.Claimed)
			}
		}
	}
	return written, nil
}
