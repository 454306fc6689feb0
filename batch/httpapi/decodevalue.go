package httpapi

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// expect says whether the next value is of that kind. If not, it notes it and skips the value.
func (d *decoder) expect(at place, kind jsontext.Kind) (bool, error) {
	got := d.PeekKind()
	if got == kind {
		return true, nil
	}
	err := d.SkipValue()
	if err == nil && !d.wrong.full() {
		d.wrong.add(at.String(), "expected %s, got %s", kindName(kind), kindName(got))
	}
	return false, err
}

func kindName(k jsontext.Kind) string {
	switch k {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "an array"
	default:
		return "nothing" // a value is of no other kind
	}
}

func (d *decoder) text(at place, f *field) error {
	ok, err := d.expect(at, jsontext.KindString)
	if !ok {
		return err
	}
	t, err := d.ReadToken()
	switch {
	case err != nil:
		return err
	case f.filled && t.String() == "":
		d.wrong.add(at.String(), "expected a value, got an empty string")
	default:
		f.text(&d.request, t.String())
	}
	return nil
}

func (d *decoder) time(at place, f *field) error {
	ok, err := d.expect(at, jsontext.KindString)
	if !ok {
		return err
	}
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	moment, mistake := parseTime(t.String())
	if mistake != nil {
		d.wrong.add(at.String(), "%v", mistake)
		return nil
	}
	f.time(&d.request, moment)
	return nil
}

func (d *decoder) flag(at place, f *field) error {
	got := d.PeekKind()
	if got != jsontext.KindTrue && got != jsontext.KindFalse {
		_, err := d.expect(at, jsontext.KindTrue)
		return err
	}
	_, err := d.ReadToken()
	if err == nil {
		f.flag(&d.request, got == jsontext.KindTrue)
	}
	return err
}

func (d *decoder) integer(at place, f *field) error {
	if got := d.PeekKind(); got != jsontext.KindNumber {
		err := d.SkipValue()
		if err == nil {
			d.wrong.add(at.String(), "expected an integer, got %s", kindName(got))
		}
		return err
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	n, mistake := f.parse(string(raw))
	if mistake != nil {
		d.wrong.add(at.String(), "%v", mistake)
		return nil
	}
	f.integer(&d.request, n)
	return nil
}

// parse reads an integer within the bounds of the field. 5.0 and 5e0 are none: who sends
// them may send 5.5 next. -0 is 0, which no field takes.
func (f *field) parse(text string) (int, error) {
	for _, c := range text {
		if c != '-' && (c < '0' || c > '9') {
			return 0, fmt.Errorf("expected an integer, got %.20s", text)
		}
	}
	n, err := strconv.Atoi(text)
	if err == nil && n >= f.least && n <= f.most {
		return n, nil
	}
	return 0, fmt.Errorf("expected %d to %d, got %.20s", f.least, f.most, text)
}
