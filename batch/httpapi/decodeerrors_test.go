package httpapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/memory"
)

// oneNumber is a Directory with an agent, and a number that is dialled where it is.
type oneNumber struct{}

func (oneNumber) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: 10}, nil
}

func (oneNumber) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	if id != "agent_1" {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return dialer.Agent{ID: id}, nil
}

func (oneNumber) Number(_ context.Context, _, id string) (batch.Number, error) {
	if id != "ap_1" {
		return batch.Number{}, batch.ErrNotFound
	}
	return batch.Number{E164: "+442079460000", Carriers: []string{"fake"}}, nil
}

func newChecker(t *testing.T) *api {
	t.Helper()
	line, err := fake.New(fake.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, line.Close()) })
	engine, err := batch.New(batch.Config{
		Store: memory.New(), Directory: oneNumber{}, Dialers: map[string]dialer.Dialer{"fake": line.Dialer()},
	})
	require.NoError(t, err)
	return &api{cfg: Config{Engine: engine}}
}

// What cannot be decoded and what the engine refuses is told at once, nothing of it twice.
func TestMistakesOfDecodingAndOfTheEngineAreToldTogether(t *testing.T) {
	a := newChecker(t)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for body, want := range map[string][]string{
		`{"weight":0}`: {
			"name: required", "agent_id: required", "from_number_id: required",
			"recipients: expected 1 to 5000 recipients, got 0", "weight: expected 1 to 1000, got 0"},
		`{"Name":"a","agent_id":null,"from_number_id":"x\u0000","recipients":{}}`: {
			"Name: unknown; did you mean name?", "agent_id: expected a string, got null",
			"from_number_id: expected valid UTF-8 without NUL characters", "recipients: expected an array, got an object"},
		`{"name":"a","agent_id":"agent_1","from_number_id":"ap_1","target_concurrency_limit":11,"region":"EU","weight":1.5,"recipients":[
			null, {"to_Number":"+14155550123"}, {"metadata":[]}, {"to_number":"0","metadata":{"a":1,"a":2}}, {"to_number":"+14155550123"}]}`: {
			"recipients[0]: expected an object, got null",
			"recipients[1].to_Number: unknown; did you mean to_number?",
			"recipients[2].metadata: expected an object, got an array",
			"recipients[2].to_number: expected a number in E.164 format, such as +14155550123, and got nothing",
			`recipients[3].metadata: expected each name once, got "/a" more than once`,
			"recipients[3].to_number: expected E.164 format, such as +14155550123: it does not begin with +",
			"target_concurrency_limit: expected at most the organisation's concurrency limit of 10, got 11",
			"weight: expected an integer, got 1.5",
			"region: the number's calls leave where the number is; leave it out"},
		`{"name":"a","name":"b","agent_id":"nobody","from_number_id":"none","scheduled_at":"` + past + `","recipients":[{"to_number":"+14155550123"}]}`: {
			"name: expected once, got it more than once", "scheduled_at: expected a time in the future, got " + past},
		// That the agent does not exist, a client learns once the rest is right.
		`{"name":"a","agent_id":"nobody","from_number_id":"ap_1","paused":1,"recipients":[{"to_number":"+14155550123"}]}`: {
			"paused: expected a boolean, got a number"},
	} {
		r, err := create(body)
		require.Equal(t, want, told(t, a.all(t.Context(), "demo", r, err)), body)
	}
}

func TestMistakesOfAFileAndOfTheEngineAreToldTogether(t *testing.T) {
	a := newChecker(t)
	r, _, err := createCSV("agent_id=agent_1&from_number_id=ap_1&weight=0&target_concurrency_limit=11", "to_number\nnobody\n")
	require.Equal(t, []string{
		"name: required", `line 2, column to_number: 'n' is no part of a number. Write digits only, such as +14155550123`,
		"target_concurrency_limit: expected at most the organisation's concurrency limit of 10, got 11",
		"weight: expected 1 to 1000, got 0",
	}, told(t, a.all(t.Context(), "demo", r, err)))
}

func TestMistakesPastAHundredAreCountedTogether(t *testing.T) {
	a := newChecker(t)
	for bad := range 3 { // mistakes of decoding for each of the engine
		mistakes := strings.Repeat(`{"metadata":0,"Metadata":1},`, 60*bad)
		r, err := create(`{"name":"a","agent_id":"agent_1","from_number_id":"ap_1","weight":0,"recipients":[` + mistakes +
			strings.Repeat(`{"to_number":"0"},`, 40) + `{}]}`)
		lines := told(t, a.all(t.Context(), "demo", r, err))
		require.Len(t, lines, 1+60*bad*3+41)
		for i, line := range lines {
			require.Equal(t, i >= maxErrors, line == ": ", "%d: %s", i, line)
		}
	}
}

func TestOtherErrorsStayWhatTheyAre(t *testing.T) {
	a := newChecker(t)
	require.NoError(t, a.all(t.Context(), "demo", batch.Request{}, nil))
	broken := errors.New("broken")
	require.Equal(t, broken, a.all(t.Context(), "demo", batch.Request{}, broken))
	require.Equal(t, tooLarge(7), a.all(t.Context(), "demo", batch.Request{}, tooLarge(7)))
}
