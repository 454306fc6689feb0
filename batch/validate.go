package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// places gathers what is wrong with a request, by the path of the field.
type places struct {
	fields []FieldError
}

func (p *places) add(path, format string, args ...any) {
	p.fields = append(p.fields, FieldError{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p *places) err() error {
	if len(p.fields) == 0 {
		return nil
	}
	slices.SortStableFunc(p.fields, func(a, b FieldError) int { return inRequest(a.Path) - inRequest(b.Path) })
	return &InvalidError{Fields: p.fields}
}

// inRequest is the place of a path's field in a request. What the directory's answers forbid
// is found after everything else.
func inRequest(path string) int {
	field, _, _ := strings.Cut(path, "[")
	return slices.Index([]string{
		"name", "agent_id", "from_number_id", "recipients", "target_concurrency_limit", "weight",
		"ringing_timeout_seconds", "max_call_duration_minutes", "scheduled_at", "region", "idempotency_key",
	}, field)
}

// Check says what is wrong with the request, as [Engine.Create] would, and creates nothing.
// It asks the directory, and does not look for a batch with the same Key.
func (e *Engine) Check(ctx context.Context, org string, r Request) error {
	p := places{}
	p.check(r, e.now(), e.cfg.MaxMetadata)
	_, _, err := e.lookUp(ctx, org, r, &p)
	return err
}

// check finds what is wrong with the request by itself.
func (p *places) check(r Request, now time.Time, maxMetadata int) {
	p.text("name", r.Name, MaxNameLength)
	p.text("agent_id", r.AgentID, store.MaxKey)
	p.text("from_number_id", r.NumberID, store.MaxKey)
	p.checkRecipients(r.Recipients, maxMetadata)
	if r.Weight < 0 || r.Weight > MaxWeight {
		p.add("weight", "expected 1 to %d, got %d", MaxWeight, r.Weight)
	}
	p.span("ringing_timeout_seconds", r.RingTimeout, MinRingTimeout, MaxRingTimeout, time.Second)
	p.span("max_call_duration_minutes", r.MaxDuration, MinMaxDuration, MaxMaxDuration, time.Minute)
	p.checkSchedule(r.ScheduledAt, now)
	if r.Region != "" && !slices.Contains(regions(), r.Region) {
		p.add("region", "expected one of %s, got %.20q", strings.Join(regions(), ", "), r.Region)
	}
	if r.Key != "" {
		p.text("idempotency_key", r.Key, store.MaxKey)
	}
}

// text checks a text that is required.
func (p *places) text(path, s string, most int) {
	switch {
	case s == "":
		p.add(path, "required")
	case len(s) > most:
		p.add(path, "expected at most %d bytes, got %d", most, len(s))
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		p.add(path, "expected valid UTF-8 without NUL characters") // which not every database can keep
	}
}

// span checks a time that may be left out.
func (p *places) span(path string, d, least, most, unit time.Duration) {
	if d != 0 && (d < least || d > most || d%unit != 0) {
		p.add(path, "expected a whole number from %d to %d, got %v", least/unit, most/unit, d)
	}
}

func (p *places) checkSchedule(at, now time.Time) {
	switch {
	case at.IsZero():
	case !at.After(now):
		p.add("scheduled_at", "expected a time in the future, got %s", at.UTC().Format(time.RFC3339))
	case at.After(now.Add(MaxScheduleAhead)):
		p.add("scheduled_at", "expected a time within %d days, got %s",
			MaxScheduleAhead/(24*time.Hour), at.UTC().Format(time.RFC3339))
	}
}

func (p *places) checkRecipients(rs []RecipientRequest, maxMetadata int) {
	if n := len(rs); n == 0 || n > store.MaxRecipients {
		p.add("recipients", "expected 1 to %d recipients, got %d", store.MaxRecipients, n)
		if n > store.MaxRecipients {
			return // whoever sends a million gets one message
		}
	}
	for i, r := range rs {
		if _, err := dialer.ParsePhone(r.To); err != nil {
			p.add(fmt.Sprintf("recipients[%d].to_number", i), "%v", err)
		}
		if err := checkMetadata(r.Metadata, maxMetadata); err != nil {
			p.add(fmt.Sprintf("recipients[%d].metadata", i), "%v", err)
		}
	}
}

func checkMetadata(m json.RawMessage, most int) error {
	switch {
	case m == nil:
		return nil
	case len(m) > most:
		return fmt.Errorf("expected at most %d bytes, got %d", most, len(m))
	case !utf8.Valid(m):
		return errors.New("expected valid UTF-8")
	case !beginsObject(m) || !json.Valid(m):
		return errors.New("expected a JSON object")
	}
	return nil
}

// beginsObject says that the first character that is no white space (RFC 8259, section 2) begins an object.
func beginsObject(m []byte) bool {
	for _, c := range m {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}

// checkTarget finds a target that the organisation's limit does not allow.
func (p *places) checkTarget(r Request, o Organisation) {
	switch {
	case r.Target < 0:
		p.add("target_concurrency_limit", "expected at least 1, got %d", r.Target)
	case r.Target > o.ConcurrencyLimit:
		p.add("target_concurrency_limit", "expected at most the organisation's concurrency limit of %d, got %d",
			o.ConcurrencyLimit, r.Target)
	}
}

// checkNumber finds what the number to call from does not allow.
func (p *places) checkNumber(r Request, n Number) {
	if n.InboundOnly {
		p.add("from_number_id", "expected a number that can place outbound calls")
	}
	if r.Region != "" && !n.AnyRegion {
		p.add("region", "the number's calls leave where the number is; leave it out")
	}
}
