// Command ownstore is an example of a host's own store: batches in a journal, a file of JSON
// lines. It dials a batch, leaves in the middle of it, opens the journal again as a
// restarted process would, and shows that everybody was called, and nobody twice.
//
//	go run ./examples/ownstore
//
// The store is in store.go, journal.go and replay.go. The suite that it passes is run
// in store_test.go.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	folder, err := os.MkdirTemp("", "ownstore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	carrier, err := fake.New(fake.Config{
		Shares: fake.Shares{Answer: 1}, Ring: 20 * time.Millisecond, Talk: 100 * time.Millisecond, Books: true,
	})
	if err != nil {
		return err
	}
	defer carrier.Close()
	d := demo{path: filepath.Join(folder, "journal.jsonl"), dialer: carrier.Dialer()}
	if err := d.dial(ctx, "first process", halfDone); err != nil {
		return err
	}
	if err := d.dial(ctx, "second process", allDone); err != nil {
		return err
	}
	return tell(carrier.Books())
}

func halfDone(b store.Batch) bool { return b.Counts.Completed >= b.Counts.Scheduled()/2 }

func allDone(b store.Batch) bool { return b.Counts.Over() }

// tell asks the carrier what it did.
func tell(books fake.Books) error {
	placed, twice := books.Placed(fake.Scope{}), books.DoublePlaced()
	if placed != recipients || len(twice) > 0 {
		return fmt.Errorf("%d calls were placed for %d recipients, twice for %d", placed, recipients, len(twice))
	}
	fmt.Printf("the carrier placed one call each to %d recipients\n", placed)
	return nil
}

// demo is what both processes share: the file, and the carrier, whose calls outlive them.
type demo struct {
	path   string
	dialer dialer.Dialer
}
