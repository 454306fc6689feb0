package batch

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// BenchmarkRequest is what a batch of 5,000 costs before it goes to the store.
func BenchmarkRequest(b *testing.B) {
	r := Request{Name: "n", AgentID: "a", NumberID: "m", Recipients: make([]RecipientRequest, store.MaxRecipients)}
	for i := range r.Recipients {
		r.Recipients[i] = RecipientRequest{
			To: fmt.Sprintf("+1202555%04d", i), Metadata: json.RawMessage(fmt.Sprintf(`{"name":"Person %d"}`, i)),
		}
	}
	b.Run("Check", func(b *testing.B) {
		for b.Loop() {
			p := places{}
			p.check(r, time.Now(), store.MaxMetadata)
			require.NoError(b, p.err())
		}
	})
	b.Run("Fingerprint", func(b *testing.B) {
		for b.Loop() {
			fingerprint(r)
		}
	})
	b.Run("Recipients", func(b *testing.B) {
		for b.Loop() {
			newRecipients(r)
		}
	})
}
