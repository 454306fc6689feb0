package httpapi_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/httpapi/contracttest"
	"github.com/outdial/outdial/store"
)

func TestContract(t *testing.T) {
	eachStore(t, func(t *testing.T, st store.Store) {
		s := newStation(t, st)
		if !t.Run("Suite", func(t *testing.T) { contracttest.Test(t, s.harness()) }) {
			return
		}
		var unseen []string
		for _, item := range s.checked.doc.Paths.Map() {
			for _, op := range item.Operations() {
				if !slices.ContainsFunc([]string{" 200", " 201"}, func(status string) bool { return s.checked.seen[op.OperationID+status] > 0 }) {
					unseen = append(unseen, op.OperationID)
				}
			}
		}
		require.Empty(t, unseen, "the suite never saw these succeed")
	})
}
