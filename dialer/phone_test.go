package dialer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"+1234567", "+14155550123", "+442071838750", "+123456789012345"} {
		p, err := dialer.ParsePhone(good)
		require.NoError(t, err)
		require.Equal(t, good, string(p))
	}
}

func TestParsePhoneRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, says string }{
		{"nothing", "", "got nothing"},
		{"no plus", "13125550987", "does not begin with +"},
		{"only a plus", "+", "has 0 digits"},
		{"a space", "+1 4155550123", `' ' at position 3 is no digit`},
		{"a space in front", " +13125550987", "does not begin with +"},
		{"a second plus", "++13125550987", `'+' at position 2`},
		{"an extension", "+13125550987x9", `'x' at position 13`},
		{"Arabic digits", "+١٢٣٤٥٦٧٨", "at position 2 is no digit"},
		{"invalid UTF-8", "+1312\xff550987", "at position 6 is no digit"},
		{"six digits", "+123456", "has 6 digits, not 7 to 15"},
		{"sixteen digits", "+1234567890123456", "has 16 digits"},
		{"country code 0", "+04155550123", "no country code begins with 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := dialer.ParsePhone(test.in)
			require.ErrorContains(t, err, test.says)
			require.Empty(t, string(p))
			if len(test.in) > 4 {
				require.NotContains(t, err.Error(), test.in, "the number is in the error")
			}
		})
	}
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"", "+", "+14155550123", "+0415555", "+1234567890123456", "+1 415", "+\xff1234567"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := dialer.ParsePhone(s)
		if err != nil {
			require.Empty(t, string(p))
			return
		}
		require.Equal(t, s, string(p))
		require.Regexp(t, `^\+[1-9][0-9]{6,14}$`, s)
		require.NotContains(t, p.String(), s)
	})
}

func TestPhoneHidesItsMiddle(t *testing.T) {
	t.Parallel()
	for in, want := range map[dialer.Phone]string{
		"":                 "",
		"+123":             "•••",
		"+1234567":         "+1•••67",
		"+14155550123":     "+1415•••0123",
		"+123456789012345": "+1234•••2345",
	} {
		require.Equal(t, want, in.String())
	}
}

func TestNoVerbShowsTheWholeNumber(t *testing.T) {
	t.Parallel()
	const number = "+14155550123"
	p := dialer.Phone(number)
	hex, upper := fmt.Sprintf("%x", number), fmt.Sprintf("%X", number)
	for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %X %d %t %c %U %o %e %T%v %20s %-20q") {
		for name, value := range map[string]any{
			"number": p, "pointer": &p, "struct": struct{ To dialer.Phone }{p},
			"slice": []dialer.Phone{p}, "map": map[dialer.Phone]int{p: 1}, "call": dialer.Call{To: p, From: p},
		} {
			shown := fmt.Sprintf(verb, value)
			require.NotContains(t, shown, number[1:], "%s of a %s", verb, name)
			require.NotContains(t, shown, hex, "%s of a %s", verb, name)
			require.NotContains(t, shown, upper, "%s of a %s", verb, name)
		}
	}
	require.Equal(t, "+1415•••0123", fmt.Sprint("", p))
	require.Equal(t, `dialer.Phone("+1415•••0123")`, fmt.Sprintf("%#v", p))
	require.Equal(t, `"+1415•••0123"`, fmt.Sprintf("%q", p))
}

func TestLogsDoNotShowTheWholeNumber(t *testing.T) {
	t.Parallel()
	const number = "+14155550123"
	call := dialer.Call{
		ID: "call_1", To: number, From: number,
		Metadata: json.RawMessage(`{"name":"Ada"}`),
		Agent:    dialer.Agent{ID: "agent_1", URL: "wss://agent.example/?token=secret"},
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			slog.New(handler(&b)).Info("dialling", "to", call.To, "call", call)
			require.NotContains(t, b.String(), number[1:])
			require.NotContains(t, b.String(), "Ada")
			require.NotContains(t, b.String(), "secret")
			require.Contains(t, b.String(), "+1415•••0123")
			require.Contains(t, b.String(), "call_1")
		})
	}
}

func TestPhoneIsWholeInJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(dialer.Phone("+14155550123"))
	require.NoError(t, err)
	require.JSONEq(t, `"+14155550123"`, string(text))
}
