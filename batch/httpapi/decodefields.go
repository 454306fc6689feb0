package httpapi

import (
	"math"
	"time"

	"github.com/outdial/outdial/batch"
)

// The paths of a request that have rules of their own.
const (
	recipientsField = "recipients"
	targetField     = "target_concurrency_limit"
)

// field is a field of a request, in a body or in a query. One of the setters says what it
// holds; recipients have none.
type field struct {
	name    string
	text    func(*batch.Request, string)
	time    func(*batch.Request, time.Time)
	flag    func(*batch.Request, bool)
	integer func(*batch.Request, int)

	// filled is a text that the engine takes for left out where it is empty.
	filled bool

	// The bounds of an integer. The engine checks them too, but takes 0 for left out, and
	// cannot see what does not fit a time.Duration.
	least, most int
}

// createFields are the fields of a request for a batch, in the order of the contract.
func createFields(version string) []field {
	fields := []field{
		{name: "name", text: func(r *batch.Request, s string) { r.Name = s }},
		{name: "agent_id", text: func(r *batch.Request, s string) { r.AgentID = s }},
		{name: "from_number_id", text: func(r *batch.Request, s string) { r.NumberID = s }},
		{name: recipientsField},
		{name: targetField, least: 1, most: math.MaxInt32,
			integer: func(r *batch.Request, n int) { r.Target = n }},
		{name: "weight", least: 1, most: batch.MaxWeight,
			integer: func(r *batch.Request, n int) { r.Weight = n }},
		{name: "ringing_timeout_seconds",
			least: int(batch.MinRingTimeout / time.Second), most: int(batch.MaxRingTimeout / time.Second),
			integer: func(r *batch.Request, n int) { r.RingTimeout = time.Duration(n) * time.Second }},
		{name: "max_call_duration_minutes",
			least: int(batch.MinMaxDuration / time.Minute), most: int(batch.MaxMaxDuration / time.Minute),
			integer: func(r *batch.Request, n int) { r.MaxDuration = time.Duration(n) * time.Minute }},
		{name: "scheduled_at", time: func(r *batch.Request, t time.Time) { r.ScheduledAt = t }},
		{name: "paused", flag: func(r *batch.Request, b bool) { r.Paused = b }},
	}
	if version == version202603 {
		return fields // there a region is as unknown as anything else that it has no name for
	}
	return append(fields, field{name: "region", filled: true, text: func(r *batch.Request, s string) { r.Region = s }})
}

// targetFields are those of a request to change a batch.
func targetFields() []field {
	return []field{{name: targetField, least: 1, most: math.MaxInt32,
		integer: func(r *batch.Request, n int) { r.Target = n }}}
}

func fieldNames(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}
