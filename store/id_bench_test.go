package store_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/outdial/outdial/store"
)

func BenchmarkNewCallIDs1000(b *testing.B) {
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		if _, err := store.NewCallIDs(now, rand.Reader, 1000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecipientID(b *testing.B) {
	id, _ := store.NewBatchID(time.Now(), rand.Reader)
	b.ReportAllocs()
	for b.Loop() {
		if store.RecipientID(id, 4999) == "" {
			b.Fatal()
		}
	}
}

func BenchmarkParseRecipientID(b *testing.B) {
	id, _ := store.NewBatchID(time.Now(), rand.Reader)
	id = store.RecipientID(id, 4999)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := store.ParseRecipientID(id); err != nil {
			b.Fatal(err)
		}
	}
}
