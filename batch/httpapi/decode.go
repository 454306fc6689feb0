package httpapi

import (
	"errors"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outdial/outdial/batch"
)

// decodeCreate reads a request for a batch from JSON. It is as strict as RFC 7493 (I-JSON)
// about what it uses, and never guesses; members that it does not know are skipped.
//
// The error is a *batch.InvalidError that tells of every field that cannot be used, and comes
// with the rest of the request: see api.all. It is a *problem where the body cannot be
// read to its end.
func decodeCreate(body io.Reader, version string, maxMetadata int) (batch.Request, error) {
	d := newDecoder(body, createFields(version))
	d.maxMetadata = maxMetadata
	if err := d.decode(); err != nil {
		return batch.Request{}, err
	}
	return d.request, d.wrong.err()
}

// decodeTarget reads a request to change a batch, which names its new target.
func decodeTarget(body io.Reader) (int, error) {
	d := newDecoder(body, targetFields())
	if err := d.decode(); err != nil {
		return 0, err
	}
	if d.request.Target == 0 && len(d.wrong.fields) == 0 {
		d.wrong.add(targetField, "required")
	}
	return d.request.Target, d.wrong.err()
}

// decoder reads one body.
type decoder struct {
	*jsontext.Decoder

	fields         []field
	recipientNames []string
	maxMetadata    int

	request batch.Request
	wrong   wrong
	arena   arena
}

func newDecoder(body io.Reader, fields []field) *decoder {
	// A duplicate name would end the decoder, and hide every mistake behind it. So it looks
	// for none, and names and metadata do that.
	lenient := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true))
	return &decoder{Decoder: lenient, fields: fields, recipientNames: recipientNames()}
}

// decode reads the whole body, which is an object.
func (d *decoder) decode() error {
	if err := d.top(); err != nil {
		return err
	}
	switch _, err := d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return invalidJSON("The body goes on behind its JSON, at byte %d.", d.InputOffset()-1)
	default:
		return unreadable(err)
	}
}

func (d *decoder) top() error {
	switch kind := d.PeekKind(); kind {
	case jsontext.KindBeginObject:
		if err := d.object(place{index: none}, fieldNames(d.fields), d.field); err != nil {
			return unreadable(err)
		}
		return nil
	case jsontext.KindInvalid:
		_, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return invalidJSON("The body is empty. Expected a JSON object.")
		}
		return unreadable(err)
	default:
		if _, err := d.ReadToken(); err != nil { // its first letter said null, but not the others
			return unreadable(err)
		}
		return &problem{
			status: http.StatusBadRequest, code: CodeInvalidRequest, title: "Invalid request",
			message: "The body must be a JSON object, and is " + kindName(kind) + ".",
		}
	}
}

// object reads an object member by member. The next value is one. read gets the index of each
// known name and reads the value behind it.
func (d *decoder) object(at place, known []string, read func(at place, i int) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	seen := names{known: known}
	for d.PeekKind() != jsontext.KindEndObject {
		raw, err := d.ReadValue() // not ReadToken, whose token would have to be copied to be looked at
		if err != nil {
			return err
		}
		i, mistake := seen.meet(raw)
		var other string
		if i < 0 { // raw is gone with the next value
			other = clip(string(inQuotes(raw)), maxName)
		}
		if mistake != nil && !d.wrong.full() {
			d.wrong.add(at.member(mistake.name).String(), "%s", mistake.message)
		}
		if i < 0 {
			err = d.ignore(at.member(other))
		} else {
			err = read(at.member(known[i]), i)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// ignore passes over a value that means nothing here, but for names that stand twice in it.
func (d *decoder) ignore(at place) error {
	if k := d.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindBeginArray {
		return d.SkipValue()
	}
	raw, err := d.ReadValue()
	if err == nil && !raw.IsValid() && !d.wrong.full() {
		d.wrong.add(at.String(), "%v", duplicate(raw))
	}
	return err
}

// field reads a field of the request.
func (d *decoder) field(at place, i int) error {
	switch f := &d.fields[i]; {
	case f.text != nil:
		return d.text(at, f)
	case f.integer != nil:
		return d.integer(at, f)
	case f.time != nil:
		return d.time(at, f)
	case f.flag != nil:
		return d.flag(at, f)
	default:
		return d.recipients(at)
	}
}
