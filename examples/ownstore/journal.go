package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// record is a line of the journal: one thing that was written. Each method of a store that
// writes is told the time and the ids, so doing the same again leads to the same.
type record struct {
	Create *creation   `json:"create,omitempty"`
	Change *change     `json:"change,omitempty"`
	Step   *store.Step `json:"step,omitempty"`
	Adopt  *adoption   `json:"adopt,omitempty"`
}

type creation struct {
	Batch      store.Batch `json:"batch"`
	Recipients []recipient `json:"recipients"`
}

// recipient has the metadata as bytes: as JSON within JSON it would lose its white space.
type recipient struct {
	To       dialer.Phone `json:"to"`
	Metadata []byte       `json:"metadata,omitempty"`
}

type change struct {
	Org    string       `json:"org"`
	ID     string       `json:"id"`
	Change store.Change `json:"change"`
}

// adoption says which calls were adopted, not how many were asked for: which owners were
// dead then was a matter of clocks, and cannot be found out again.
type adoption struct {
	Node  string    `json:"node"`
	Calls []callRef `json:"calls"`
}

type callRef struct {
	Org string `json:"org"`
	ID  string `json:"id"`
}

func recipientsOf(rs []store.NewRecipient) []recipient {
	out := make([]recipient, len(rs))
	for i, r := range rs {
		out[i] = recipient{To: r.To, Metadata: r.Metadata}
	}
	return out
}

func (c creation) newRecipients() []store.NewRecipient {
	out := make([]store.NewRecipient, len(c.Recipients))
	for i, r := range c.Recipients {
		out[i] = store.NewRecipient{To: r.To, Metadata: r.Metadata}
	}
	return out
}

func adoptionOf(node string, claimed []store.Claimed) *adoption {
	a := &adoption{Node: node}
	for i := range claimed {
		a.Calls = append(a.Calls, callRef{Org: claimed[i].Call.Org, ID: claimed[i].Call.ID})
	}
	return a
}

// append writes a record and returns when the disk has it.
func (s *Store) append(r record) error {
	if r.Adopt != nil && len(r.Adopt.Calls) == 0 {
		return nil // asked all the time, in vain nearly always
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("a record: %w", err)
	}
	if _, err := s.journal.Write(append(line, '\n')); err != nil {
		return err
	}
	return s.journal.Sync()
}

// syncFolder makes the name of a new file survive a crash, as Sync does its contents.
func syncFolder(file string) error {
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
