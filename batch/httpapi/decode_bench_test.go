package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// plainRequest is what the peers of decodeCreate decode into.
type plainRequest struct {
	Name       string `json:"name"`
	AgentID    string `json:"agent_id"`
	NumberID   string `json:"from_number_id"`
	Recipients []struct {
		To       string          `json:"to_number"`
		Metadata json.RawMessage `json:"metadata"`
	} `json:"recipients"`
	Target int `json:"target_concurrency_limit"`
}

func body5000() []byte {
	var b bytes.Buffer
	b.WriteString(`{"name":"autumn","agent_id":"agent_1","from_number_id":"ap_1","target_concurrency_limit":50,"recipients":[`)
	for i := range store.MaxRecipients {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"to_number":"+1415555%04d","metadata":{"name":"Ada Lovelace","order":%d,"vip":true,"tags":["a","b"]}}`, i, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkDecode5000(b *testing.B) {
	body := body5000()
	for _, peer := range []struct {
		name   string
		decode func() (int, error)
	}{
		{"ours", func() (int, error) {
			r, err := decodeCreate(bytes.NewReader(body), version202608, store.MaxMetadata)
			return len(r.Recipients), err
		}},
		{"encoding_json", func() (int, error) {
			var r plainRequest
			err := json.NewDecoder(bytes.NewReader(body)).Decode(&r)
			return len(r.Recipients), err
		}},
		{"json_v2", func() (int, error) {
			var r plainRequest
			err := jsonv2.UnmarshalRead(bytes.NewReader(body), &r)
			return len(r.Recipients), err
		}},
	} {
		b.Run(peer.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				n, err := peer.decode()
				require.NoError(b, err)
				require.Equal(b, store.MaxRecipients, n)
			}
		})
	}
}
