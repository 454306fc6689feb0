package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

const people = "to_number,name\n+14155550123,Ada\n"

func createCSV(query, file string) (batch.Request, leftOut, error) {
	return decodeCSV(strings.NewReader(file), queried(query), version202608, store.MaxMetadata)
}

func TestDecodeCSVTakesEveryField(t *testing.T) {
	r, left, err := createCSV("name=autumn+%E2%9C%93&agent_id=agent_1&from_number_id=ap_1&region=EU&target_concurrency_limit=7&weight=3"+
		"&ringing_timeout_seconds=30&max_call_duration_minutes=10&scheduled_at=2026-06-15T18:00:00.25%2B02:00&paused=true&unknown=1",
		people)
	require.NoError(t, err)
	require.Zero(t, left)
	require.Equal(t, batch.Request{
		Name: "autumn ✓", AgentID: "agent_1", NumberID: "ap_1", Region: "EU",
		Recipients: []batch.RecipientRequest{{To: "+14155550123", Metadata: json.RawMessage(`{"name":"Ada"}`)}},
		Target:     7, Weight: 3, RingTimeout: 30 * time.Second, MaxDuration: 10 * time.Minute,
		ScheduledAt: time.Date(2026, 6, 15, 16, 0, 0, 250e6, time.UTC), Paused: true,
	}, r)
}

func TestDecodeCSVKnowsRegionsFromTheirVersionOn(t *testing.T) {
	r, _, err := decodeCSV(strings.NewReader(people), queried("region=EU&region=US"), version202603, store.MaxMetadata)
	require.NoError(t, err)
	require.Empty(t, r.Region)
}

func TestDecodeCSVTellsWhatItLeftOut(t *testing.T) {
	const file = "phone;x\n+14155550123;a\nnobody;b\n14155550124;c\n+1 415 555 0123;d\n"
	r, left, err := createCSV("skip_bad=true&dedupe=true&add_plus=true", file)
	require.NoError(t, err)
	require.Equal(t, leftOut{skipped: 1, duplicates: 1}, left)
	require.Len(t, r.Recipients, 2)
	require.Equal(t, "+14155550124", r.Recipients[1].To)
	r, left, err = createCSV("skip_bad=true", file)
	require.NoError(t, err)
	require.Equal(t, leftOut{skipped: 2}, left)
	require.Len(t, r.Recipients, 2, "twice the same number, since nobody asked for less")
}

func TestDecodeCSVTellsEveryMistake(t *testing.T) {
	for _, c := range []struct {
		query, file string
		want        []string
	}{
		{"weight=0", people, []string{"weight: expected 1 to 1000, got 0"}},
		{"weight=", people, []string{"weight: expected a value, got nothing"}},
		{"weight=5.0", people, []string{"weight: expected an integer, got 5.0"}},
		{"weight=%2B5", people, []string{"weight: expected an integer, got +5"}},
		{"weight=-", people, []string{"weight: expected 1 to 1000, got -"}},
		{"weight=007", people, []string{`weight: expected no zeros in front, got "007"`}},
		{"weight=5&weight=5", people, []string{"weight: expected once, got it 2 times"}},
		{"ringing_timeout_seconds=18446744103", people, []string{"ringing_timeout_seconds: expected 5 to 80, got 18446744103"}},
		{"scheduled_at=2026-06-15T18:00:00+02:00", people, []string{
			"scheduled_at: " + errTime.Error() + "; the + of an offset is written %2B in a query"}},
		{"paused=1&name=", people, []string{"name: expected a value, got nothing", `paused: expected true or false, got "1"`}},
		{"Skip_bad=true&dedupe=yes", people, []string{
			"Skip_bad: unknown; did you mean skip_bad?", `dedupe: expected true or false, got "yes"`}},
		{"recipients=x", people, []string{"recipients: expected in the body, got it in the query"}},
		{"", "", []string{"recipients: the file is empty. Its first row names the columns, one of them to_number"}},
		{"", "to_number\n", []string{
			"recipients: there is no recipient in the file. Write one row for each below the first row, which names the columns"}},
		{"name=a&weight=0", "phone,x\n14155550123,a\n+14155550124\n,\n", []string{
			"line 2, column phone: it does not begin with +, so where it is cannot be told. " +
				"Write + and the country code first, such as +14155550123",
			"line 3: it has 1 cells where the first row has 2. A cell with ',' in it must be put into quotes",
			"weight: expected 1 to 1000, got 0",
		}},
		{"", "a,b\n1,2\n", []string{`line 1: no column is called to_number; there are: "a", "b". ` +
			"Name the column with the phone numbers to_number in the first row"}},
		{"", "to_number,x\n+14155550123,\xff\n", []string{
			"line 2: this is not text in UTF-8. Save the file as CSV UTF-8, or run it through iconv"}},
	} {
		_, left, err := createCSV(c.query, c.file)
		require.Equal(t, c.want, told(t, err), "%s %q", c.query, c.file)
		require.Zero(t, left)
	}
}

func TestDecodeCSVBoundsMetadata(t *testing.T) {
	_, _, err := decodeCSV(strings.NewReader("to_number,name\n+14155550123,"+strings.Repeat("x", 64)+"\n"), queried(""), version202608, 64)
	require.Equal(t, []string{"line 2: its metadata is 75 bytes long; a recipient may have 64. Shorten the row's longest cells"},
		told(t, err))
}

// A file of nothing but line breaks or separators would cost many times its length.
func TestDecodeCSVRefusesFilesOfNothing(t *testing.T) {
	lines := &endlessly{"x\n", 10 << 20}
	_, _, err := decodeCSV(io.MultiReader(strings.NewReader("to_number\n"), lines), queried(""), version202608, store.MaxMetadata)
	require.Equal(t, []string{"recipients: expected a file of at most 100000 lines"}, told(t, err))
	require.Greater(t, lines.left, 5<<20, "it was read on")
	_, _, err = decodeCSV(&endlessly{",", 10 << 20}, queried("weight=0"), version202608, store.MaxMetadata)
	require.Equal(t, []string{"recipients: expected a file of at most 1000000 separators", "weight: expected 1 to 1000, got 0"},
		told(t, err))
}

type endlessly struct {
	item string
	left int
}

func (e *endlessly) Read(b []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(b, strings.Repeat(e.item, len(b)/len(e.item)+1))
	e.left -= n
	return n, nil
}

func TestDecodeCSVEndsWithTheErrorOfTheBody(t *testing.T) {
	_, _, err := decodeCSV(io.MultiReader(strings.NewReader(people), iotest.ErrReader(tooLarge(7))), queried("weight=0"),
		version202608, store.MaxMetadata)
	require.Equal(t, tooLarge(7), said(t, err))
	broken := errors.New("broken")
	_, _, err = decodeCSV(iotest.ErrReader(broken), queried(""), version202608, store.MaxMetadata)
	require.ErrorIs(t, err, broken)
}

func FuzzDecodeCSV(f *testing.F) {
	f.Add("name=a&weight=5", people)
	f.Add("skip_bad=true&dedupe=true&add_plus=true", "phone;x\n14155550123;a\nb\n\"")
	f.Add("scheduled_at=2026-06-15T18:00:00Z&paused=true", "sep=;\nto_number;\"a\n\"\n+14155550123;'=b\n")
	f.Fuzz(func(t *testing.T, query, file string) {
		r, left, err := createCSV(query, file)
		if err != nil {
			checkMistakes(t, err)
			return
		}
		checkRequest(t, r)
		require.NotEmpty(t, r.Recipients)
		require.True(t, left.skipped >= 0 && left.duplicates >= 0)
		for _, x := range r.Recipients {
			_, err := dialer.ParsePhone(x.To)
			require.NoError(t, err)
			require.True(t, x.Metadata == nil || json.Valid(x.Metadata))
		}
	})
}
