package csvfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/batch/csvfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, text string, o csvfile.Options) csvfile.File {
	t.Helper()
	f, err := csvfile.Read(strings.NewReader(text), o)
	require.NoError(t, err)
	return f
}

// requireMetadata compares bytes: the order of the members counts.
func requireMetadata(t *testing.T, f csvfile.File, want ...string) {
	t.Helper()
	require.Len(t, f.Recipients, len(want))
	for i, r := range f.Recipients {
		require.Equal(t, want[i], string(r.Metadata))
	}
}

// problems are written as line:code, so that a table can hold them.
func problems(t *testing.T, text string, o csvfile.Options) []string {
	t.Helper()
	_, err := csvfile.Read(strings.NewReader(text), o)
	var invalid *csvfile.InvalidError
	require.ErrorAs(t, err, &invalid)
	out := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		require.NotEmpty(t, p.Message)
		out[i] = fmt.Sprintf("%d:%s", p.Line, p.Code)
	}
	return out
}

func TestColumnsBecomeMetadataInTheirOrder(t *testing.T) {
	f := read(t, "zeta,to_number,alpha,empty\nlast,+14155550100,\"a\"\"b\nc\",\n", csvfile.Options{})
	require.Equal(t, []string{"zeta", "alpha", "empty"}, f.Columns)
	requireMetadata(t, f, `{"zeta":"last","alpha":"a\"b\nc","empty":""}`)
	require.Equal(t, 2, f.Recipients[0].Line)
}

func TestOnlyNumbersHaveNoMetadata(t *testing.T) {
	f := read(t, "to_number\n+14155550100\n", csvfile.Options{})
	require.Nil(t, f.Recipients[0].Metadata)
}

func TestMetadataIsKeptAsItIs(t *testing.T) {
	f := read(t, "to_number,note\n+14155550100,\"  <b>5 > 4 & \u2028  \"\n+14155550101,'t Hooft\n+14155550102,'=1+1\n", csvfile.Options{})
	requireMetadata(t, f, `{"note":"  <b>5 > 4 & \u2028  "}`, `{"note":"'t Hooft"}`, `{"note":"=1+1"}`)
}

func TestLayouts(t *testing.T) {
	const a, b = "+14155550100", "+442079460001"
	for name, text := range map[string]string{
		"plain":            "to_number,name\n+14155550100,Ada\n+442079460001,Ben\n",
		"no final newline": "to_number,name\n+14155550100,Ada\n+442079460001,Ben",
		"BOM":              "\ufeffto_number,name\n+14155550100,Ada\n+442079460001,Ben\n",
		"CRLF":             "to_number,name\r\n+14155550100,Ada\r\n+442079460001,Ben\r\n",
		"lone CR":          "to_number,name\r+14155550100,Ada\r+442079460001,Ben\r",
		"semicolons":       "to_number;name\n+14155550100;Ada\n+442079460001;Ben\n",
		"tabs":             "to_number\tname\n+14155550100\tAda\n+442079460001\tBen\n",
		"declared":         "sep=;\nto_number;name\n+14155550100;Ada\n+442079460001;Ben\n",
		"quoted":           "\"to_number\",\"name\"\n\"+14155550100\",\"Ada\"\n\"+442079460001\",\"Ben\"\n",
		"blank rows":       "\n\nto_number,name\n\n+14155550100,Ada\n , \n,\n\u00a0\n+442079460001,Ben\n\n",
		"other spelling":   "name,To Number\nAda,+14155550100\nBen,+442079460001\n",
		"alias":            "name,Phone\nAda,+14155550100\nBen,+442079460001\n",
		"commas in names":  "\"name, first\";to_number\nAda;+14155550100\nBen;+442079460001\n",
		"unnamed column":   "name,to_number,\nAda,+14155550100,\nBen,+442079460001, \n",
	} {
		t.Run(name, func(t *testing.T) {
			f := read(t, text, csvfile.Options{})
			require.Len(t, f.Recipients, 2)
			require.Equal(t, a, string(f.Recipients[0].To))
			require.Equal(t, b, string(f.Recipients[1].To))
			require.Contains(t, string(f.Recipients[1].Metadata), `:"Ben"}`)
		})
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	const h = "to_number,name\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":            {"", []string{"0:empty_file"}},
		"BOM only":         {"\ufeff", []string{"0:empty_file"}},
		"blank":            {"\n \n\n", []string{"0:empty_file"}},
		"header only":      {h, []string{"0:empty_file"}},
		"no header":        {"+14155550100,Ada\n", []string{"1:no_number_column"}},
		"two aliases":      {"phone,mobile\n+14155550100,+14155550101\n", []string{"1:no_number_column"}},
		"two to_number":    {"to_number,To-Number\n+14155550100,+14155550101\n", []string{"1:no_number_column"}},
		"same columns":     {"to_number,a,a\n+14155550100,1,2\n", []string{"1:duplicate_column"}},
		"UTF-16":           {"\xff\xfet\x00o\x00", []string{"0:utf16"}},
		"Latin-1 header":   {"to_number,pr\xe9nom\n+14155550100,x\n", []string{"1:not_utf8"}},
		"Latin-1":          {h + "+14155550100,Zo\xeb\n+14155550101,Ada\n+14155550102,Ren\xe9\n", []string{"2:not_utf8", "4:not_utf8"}},
		"zero byte":        {h + "+14155550100,\x00\n", []string{"2:not_utf8"}},
		"cells":            {h + "+14155550100\n+14155550101,Ada,x\n+14155550102,Ben\n", []string{"2:cell_count", "3:cell_count"}},
		"bare quote":       {h + "+14155550100,5\" pipe\n+1,x\n", []string{"2:quote", "3:number_length"}},
		"text after quote": {h + "+14155550100,\"Ada\" L\n+1,x\n", []string{"2:quote", "3:number_length"}},
		"quote in header":  {"to_number,na\"me\n+14155550100,x\n", []string{"1:header"}},
		"unclosed":         {h + "+1,x\n+14155550100,\"Ada\n+14155550101,Ben\n", []string{"2:number_length", "3:unclosed_quote"}},
		"unnamed filled":   {"to_number,\n+14155550100,Ada\n", []string{"2:column_without_name"}},
		"multi-line rows":  {h + "+14155550100,\"a\nb\r\nc\rd\"\n+1,x\n", []string{"6:number_length"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, problems(t, c.text, csvfile.Options{})) })
	}
}

func TestSizes(t *testing.T) {
	many := "to_number\n" + strings.Repeat("+14155550100\n", 5000)
	require.Len(t, read(t, many, csvfile.Options{}).Recipients, 5000)
	require.Equal(t, []string{"0:too_many_recipients"}, problems(t, many+"+14155550101\n", csvfile.Options{}))
	require.Len(t, read(t, many+"+14155550101\n", csvfile.Options{Dedupe: true}).Recipients, 2)

	row := "to_number,note\n+14155550100,"
	spare := (1 << 20) - len(`{"note":""}`)
	read(t, row+strings.Repeat("x", spare), csvfile.Options{})
	require.Equal(t, []string{"2:metadata_too_large"}, problems(t, row+strings.Repeat("x", spare+1), csvfile.Options{}))
	require.Equal(t, []string{"0:file_too_large"}, problems(t, many, csvfile.Options{MaxBytes: 100}))
}

func TestDuplicates(t *testing.T) {
	const text = "to_number,name\n+14155550100,Ada\n+1 (415) 555-0100,Ben\n+14155550101,Cy\n+14155550100,Di\n"
	f := read(t, text, csvfile.Options{})
	require.Len(t, f.Recipients, 4)
	require.Equal(t, 2, f.Duplicates)

	f = read(t, text, csvfile.Options{Dedupe: true})
	require.Equal(t, 2, f.Duplicates)
	require.Len(t, f.Recipients, 2)
	requireMetadata(t, f, `{"name":"Ada"}`, `{"name":"Cy"}`)
}

func TestBadRowsCanBeSkipped(t *testing.T) {
	const text = "to_number,name\n0033199001234,Ada\n+14155550101,Ben\nx,y,z\n"
	f := read(t, text, csvfile.Options{SkipBad: true})
	require.Len(t, f.Recipients, 1)
	require.Len(t, f.Skipped, 2)
	require.Equal(t, 2, f.Skipped[0].Line)

	const none = "to_number,name\n0033199001234,Ada\n"
	require.Equal(t, []string{"2:number_with_00", "0:empty_file"}, problems(t, none, csvfile.Options{SkipBad: true}))
	const unclosed = "to_number,name\n+14155550100,x\n+14155550101,\"y\n+14155550102,z\n"
	require.Equal(t, []string{"3:unclosed_quote"}, problems(t, unclosed, csvfile.Options{SkipBad: true}))
}

func TestReadErrorIsReturned(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := csvfile.Read(iotest.ErrReader(broken), csvfile.Options{})
	require.ErrorIs(t, err, broken)
}

func TestProblemsNameTheColumnAndHideTheNumber(t *testing.T) {
	_, err := csvfile.Read(strings.NewReader("name,Phone\nAda,00442079460123\n"), csvfile.Options{})
	require.EqualError(t, err, "the file cannot be used: line 2: Phone: it begins with 00, which is how one dials "+
		"abroad in some countries only. Write + for the 00: +44… for 0044…")
}

func TestErrorCountsTheRest(t *testing.T) {
	_, err := csvfile.Read(strings.NewReader("to_number\n"+strings.Repeat("1\n", 9)), csvfile.Options{})
	require.ErrorContains(t, err, "and 4 more")
}
