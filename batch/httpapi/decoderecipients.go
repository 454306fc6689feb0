package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// recipients reads the list of them. Those behind the last that a batch can have are
// counted, and not kept.
func (d *decoder) recipients(at place) error {
	ok, err := d.expect(at, jsontext.KindBeginArray)
	if !ok {
		return err
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	count := 0
	for ; d.PeekKind() != jsontext.KindEndArray; count++ {
		if count < store.MaxRecipients {
			err = d.recipient(place{index: count})
		} else {
			err = d.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if count > store.MaxRecipients {
		d.wrong.add(at.String(), "expected 1 to %d recipients, got %d", store.MaxRecipients, count)
	}
	_, err = d.ReadToken()
	return err
}

// The members of a recipient, by index.
const (
	toNumber = iota
	metadata
)

func recipientNames() []string { return []string{toNumber: "to_number", metadata: "metadata"} }

// recipient reads one. A recipient of which nothing can be used keeps its place all the
// same, or the paths of those behind it would be those of others.
func (d *decoder) recipient(at place) error {
	d.request.Recipients = append(d.request.Recipients, batch.RecipientRequest{})
	ok, err := d.expect(at, jsontext.KindBeginObject)
	if !ok {
		return err
	}
	return d.object(at, d.recipientNames, d.member)
}

func (d *decoder) member(at place, i int) error {
	if i == toNumber {
		return d.number(at)
	}
	return d.metadata(at)
}

func (d *decoder) number(at place) error {
	ok, err := d.expect(at, jsontext.KindString)
	if !ok {
		return err
	}
	raw, err := d.ReadValue()
	if err == nil {
		d.request.Recipients[at.index].To = d.arena.text(raw)
	}
	return err
}

// metadata keeps the JSON as it is: numbers that no float holds, the order of members
// and white space included.
func (d *decoder) metadata(at place) error {
	if d.PeekKind() == jsontext.KindNull {
		return d.SkipValue()
	}
	ok, err := d.expect(at, jsontext.KindBeginObject)
	if !ok {
		return err
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch mistake := d.checkMetadata(raw); {
	case mistake == nil:
		d.request.Recipients[at.index].Metadata = json.RawMessage(d.arena.bytes(raw))
	case !d.wrong.full():
		d.wrong.add(at.String(), "%v", mistake)
	}
	return nil
}

func (d *decoder) checkMetadata(raw jsontext.Value) error {
	if len(raw) > d.maxMetadata {
		return fmt.Errorf("expected at most %d bytes, got %d", d.maxMetadata, len(raw))
	}
	if raw.IsValid() { // which it is, but for duplicate names
		return nil
	}
	return duplicate(raw)
}

// duplicate says which name stands twice in an object.
func duplicate(raw jsontext.Value) error {
	err := jsontext.NewDecoder(bytes.NewReader(raw)).SkipValue()
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("expected each name once, got %s more than once", short(string(e.JSONPointer)))
	}
	return errors.New("expected each name once")
}
