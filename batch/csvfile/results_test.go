package csvfile_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer"
)

func write(t *testing.T, results []csvfile.Result, style csvfile.Style) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, csvfile.WriteResults(&b, results, style))
	return b.String()
}

func TestResults(t *testing.T) {
	at := time.Date(2026, 6, 15, 16, 0, 0, 5e6, time.FixedZone("", 7200))
	results := []csvfile.Result{
		{
			To: "+442079460001", Status: "completed", EndReason: "client_hangup", Attempts: 1, CallID: "call_1", RecipientID: "acr_1",
			Dispatched: at, Rang: at, Started: at, Ended: at, Carrier: "c", Metadata: json.RawMessage(`{"name":"Ada","status":"gold"}`),
		},
		{To: "+442079460002", Status: "failed", Error: "=cmd|x", Metadata: json.RawMessage(`{"n":[1,2],"name":"-Ben"}`)},
	}
	const head = "to_number,status,end_reason,error_message,attempts,call_id,recipient_id," +
		"dispatched_at,rang_at,started_at,ended_at,carrier,name,metadata.status,n\n"
	const stamp = "2026-06-15T14:00:00.005Z"
	const times = stamp + "," + stamp + "," + stamp + "," + stamp
	require.Equal(t, head+
		"'+442079460001,completed,client_hangup,,1,call_1,acr_1,"+times+",c,Ada,gold,\n"+
		"'+442079460002,failed,,'=cmd|x,0,,,,,,,,'-Ben,,\"[1,2]\"\n", write(t, results, csvfile.ForSpreadsheets))
	require.Equal(t, head+
		"+442079460001,completed,client_hangup,,1,call_1,acr_1,"+times+",c,Ada,gold,\n"+
		"+442079460002,failed,,=cmd|x,0,,,,,,,,-Ben,,\"[1,2]\"\n", write(t, results, csvfile.ForPrograms))
}

func TestMetadataThatIsNoObject(t *testing.T) {
	require.Error(t, csvfile.WriteResults(&bytes.Buffer{}, []csvfile.Result{{Metadata: json.RawMessage("{")}}, csvfile.ForPrograms))
}

// resultsOf is what a run of the file ends with.
func resultsOf(f csvfile.File) []csvfile.Result {
	results := make([]csvfile.Result, len(f.Recipients))
	for i, r := range f.Recipients {
		results[i] = csvfile.Result{To: r.To, Status: "failed", EndReason: string(dialer.DialBusy), Metadata: r.Metadata}
	}
	return results
}

func TestResultsCanBeDialledAgain(t *testing.T) {
	text := "status,to_number,metadata.x,=HYPERLINK,note\n" +
		"gold,+442079460001,a,b,'t Hooft\nsilver,+442079460002,,\"=1+1\",''x\nx,+442079460003,\" y\",\"\tz\",\"two\r\nlines\"\n"
	first := read(t, text, csvfile.Options{})
	again := read(t, write(t, resultsOf(first), csvfile.ForSpreadsheets), csvfile.Options{})
	require.Equal(t, first.Columns, again.Columns)
	requireSame(t, first, again)
}

// A spreadsheet that separates by semicolons begins a cell behind each, whatever is quoted, and one that
// knows no quotes begins a row behind a line break.
func TestNoCellWithinACellIsAFormula(t *testing.T) {
	results := []csvfile.Result{{To: "+442079460001", Status: "failed", Metadata: json.RawMessage(
		`{"a":"b;=cmd|' /C calc'!A0","c":"x\t+1","d":"x\n-1","e":"x;y;'z","f":"a;\t@b"}`)}}
	text := write(t, results, csvfile.ForSpreadsheets)
	require.NotRegexp(t, `[;\t\n][=+@-]`, text)
	require.Contains(t, text, `b;'=cmd`)
	again := read(t, text, csvfile.Options{})
	require.JSONEq(t, string(results[0].Metadata), string(again.Recipients[0].Metadata))
	require.Contains(t, write(t, results, csvfile.ForPrograms), `b;=cmd`)
}

func requireSame(t *testing.T, first, again csvfile.File) {
	t.Helper()
	require.Len(t, again.Recipients, len(first.Recipients))
	for i, r := range first.Recipients {
		require.Equal(t, r.To, again.Recipients[i].To)
		require.Equal(t, string(r.Metadata), string(again.Recipients[i].Metadata))
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"to_number,name\n+14155550100,Ada\n", "sep=;\nphone;x\n'+442079460001;\"a\"\"b\n\"\n", "to_number\r+14155550100\r",
		"\ufeffto_number\t\n+14155550100\t\n", "to_number,status,end_reason\n", "to_number,'=x\n+14155550100,''=y\n",
	} {
		f.Add(text, false, false)
		f.Add(text, true, true)
	}
	f.Fuzz(func(t *testing.T, text string, plus, skip bool) {
		file, err := csvfile.Read(strings.NewReader(text), csvfile.Options{AddPlus: plus, SkipBad: skip})
		if err != nil {
			var invalid *csvfile.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Problems)
			return
		}
		line := 0
		for _, r := range file.Recipients {
			require.Greater(t, r.Line, line)
			line = r.Line
			_, err := dialer.ParsePhone(string(r.To))
			require.NoError(t, err)
			require.True(t, r.Metadata == nil || json.Valid(r.Metadata))
		}
		again := read(t, write(t, resultsOf(file), csvfile.ForSpreadsheets), csvfile.Options{})
		requireSame(t, file, again)
	})
}
