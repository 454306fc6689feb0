package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer/fake"
)

// fiction is what the package comment says of the numbers.
var fiction = regexp.MustCompile(`^\+(` + strings.Join([]string{
	`1[2-9]\d\d55501\d\d`,
	`44(207946|121496|161496|141496|113496|117496|131496)0\d{3}`, `441632960\d{3}`, `447700900\d{3}`,
	`3532091\d{5}`,
	`61[23](5550|7010)\d{4}`, `61491570(006|110|156|157|158|159)`,
	`33(19900|63998)\d{4}`,
	`49(3023125|4066969|6990009|8999998)\d{3}`,
	`468465004\d\d`, `463139006\d\d`, `46701740(60[5-9]|6[1-9]\d)`,
}, "|") + `)$`)

func TestShippedRecipients(t *testing.T) {
	f, err := os.Open("recipients.csv")
	require.NoError(t, err)
	defer f.Close()
	file, err := csvfile.Read(f, csvfile.Options{})
	require.NoError(t, err)
	require.Len(t, file.Recipients, 200)
	require.Zero(t, file.Duplicates)
	for _, r := range file.Recipients {
		require.Regexp(t, fiction, string(r.To))
	}
}

// TestShippedConfigurationShowsEveryKindOfEnd runs what a newcomer runs first, faster.
func TestShippedConfigurationShowsEveryKindOfEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fake://")
	const speed = "speed=20"
	text := string(defaultConfig)
	require.Contains(t, text, speed)
	w.write("config.yaml", strings.Replace(text, speed, "speed=2000&books="+w.path("books.jsonl"), 1))
	r := w.run("run", "recipients.csv")
	require.Zero(t, r.code, r.errOut)
	for _, want := range []string{
		"agent_hangup", "client_hangup", "dial_busy", "dial_no_answer", "dial_failed", "not called",
	} {
		require.Contains(t, r.out, want)
	}
	require.Equal(t, 200, w.books().Dials(fake.Scope{}))
}
