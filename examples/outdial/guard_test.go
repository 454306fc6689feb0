package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

// TestWhatTheGuardRefusesIsTold has a batch with numbers that must not be called.
func TestWhatTheGuardRefusesIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	w.write("config.yaml", `
organisations: {demo: {concurrency_limit: 8}}
agents: {greeter: {}}
guard: {allow: [GB], hourly: 2}
carriers: {trunk: "called-back://trunk?answer=1&ring=0&talk=0&books=`+w.path("books.jsonl")+`"}
numbers: {london: {e164: "+442079460000", carriers: [trunk]}}
`)
	file := w.write("people.csv", "to_number\n+442079460001\n+18764441234\n+449012345678\n+870773123456\n+442079460002\n+442079460003\n")
	r := w.run("run", file, "--listen", "127.0.0.1:0")
	require.Zero(t, r.code, r.errOut)
	for _, want := range []string{
		`completed +2 `, `not called +4 `, "calls to JM are not allowed, only to GB", "premium-rate numbers are never called",
		"satellite or global network", "2 calls within an hour",
	} {
		require.Regexp(t, want, r.out)
	}
	require.NotContains(t, r.out, "18764441234")
	require.Equal(t, 2, w.books().Placed(fake.Scope{}))
}
