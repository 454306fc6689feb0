package sip

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestWhatIsReadOfAMessageThatIsNotParsed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][2]string{
		"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nCall-ID: x@y\r\n\r\n":             {"x@y", "z9hG4bK1"},
		"SIP/2.0 180 Ringing\r\ni:x\r\nv: SIP/2.0/UDP a ; BRANCH = z9hG4bK1 , SIP/2.0/UDP b;branch=c\r\n\r\n": {"x", "z9hG4bK1"},
		"SIP/2.0 183 Progress\nVia: SIP/2.0/UDP a;branch=b1\nVia: SIP/2.0/UDP b;branch=b2\ncall-id : x\n\n":   {"x", "b1"},
		"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a\r\n\r\nCall-ID: in the body\r\n":                           {"", ""},
		"SIP/2.0 1":  {"", ""},
		"":           {"", ""},
		"\r\n\r\n":   {"", ""},
		"::::;;;===": {"", ""},
	} {
		id, branch := idAndBranch([]byte(raw))
		require.Equal(t, want, [2]string{id, branch}, raw)
	}
}

// A 183 that sipgo drops because the refusal was handled first counts all the same.
func TestRingingIsOverheard(t *testing.T) {
	t.Parallel()
	d := &Dialer{book: newBook()}
	for code, want := range map[string]dialer.Stage{
		"100": 0, "181": dialer.Accepted, "199": dialer.Accepted, "180": dialer.Ringing, "183": dialer.Ringing, "200": 0, "486": 0,
	} {
		var stages []dialer.Stage
		c := &call{id: "id" + code, report: func(p dialer.Progress) { stages = append(stages, p.Stage) }}
		inv := &invite{c: c}
		c.invites = map[string]*invite{"z9hG4bK1": inv}
		d.book.add(c)
		d.overhear([]byte("SIP/2.0 " + code + " Word\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCall-ID: " + c.id + "\r\n\r\n"))
		c.catchUp(inv)
		require.Equal(t, want, c.stage, code)
		require.Equal(t, want == dialer.Ringing, !c.at.ringing.IsZero(), code)
		c.catchUp(inv)
		require.LessOrEqual(t, len(stages), 2, "each stage is told once")
	}
	d.overhear([]byte(strings.Repeat("SIP/2.0 180", 1000)))
}
