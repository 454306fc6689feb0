package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secrets = `
organisations:
  acme: {concurrency_limit: 1, usage_exceeded: true}
  demo: {concurrency_limit: 40, region: EU, api_keys: ["sha256:` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"]}
agents:
  greeter: {organisation: demo, url: "wss://user:hunter2@agents.example/?key=hunter3"}
  silent: {organisation: acme}
guard: {allow: [GB, NO, +1212]}
carriers:
  imitation: "fake://?channels=20&cps=2.5"
  "back/and forth": {url: "called-back://hunter4?answer=1", guard: {hourly: none}}
  trunk: "called-back://hunter5?channels=1200"
  lab: {url: "called-back://hunter6", guard: off}
numbers:
  main: {organisation: demo, e164: "+442079460123", carriers: {trunk: 3, lab: 1}, region: US, channels: 2}
  second: {organisation: acme, e164: "+442079460124", carriers: [trunk, imitation]}
  third: {organisation: acme, e164: "+442079460125", inbound_only: true}
`

func TestCheckTellsWhatAConfigurationHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("config.yaml", secrets)
	for _, args := range [][]string{{"check", file}, {"check", "--config", file}, {"check", file, "--config", file}} {
		r := w.exec(nil, args...)
		require.Zero(t, r.code, r.errOut)
		golden(t, "check", r.out)
		require.Empty(t, r.errOut)
	}
	r := w.exec(nil, "check", file, "--json", "--probe")
	require.Zero(t, r.code, r.errOut)
	golden(t, "check-json", r.out)
	for _, secret := range []string{"hunter", "0123456789abcdef", "9460123"} {
		require.NotContains(t, r.out+w.exec(nil, "check", file).out, secret)
	}
	require.Contains(t, w.exec(nil, "check").out, "The built-in configuration can be used.")
	require.NoFileExists(t, w.path("test.db"))
}

func TestCheckTellsEveryMistake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("config.yaml", strings.NewReplacer("NO,", "UK,", "limit: 40", "limit: 0", "[trunk, imitation]", "[trnk]").Replace(secrets))
	r := w.exec(nil, "check", file)
	require.Equal(t, exitUsage, r.code)
	require.Empty(t, r.out)
	require.Contains(t, r.errOut, "3 mistakes")
	require.Contains(t, r.errOut, "the code of the United Kingdom is GB")
	require.NotContains(t, r.errOut, "hunter")

	r = w.exec(nil, "check", file, "--json")
	require.Equal(t, exitUsage, r.code)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.out), &doc))
	require.Contains(t, doc["error"].(map[string]any)["message"], "3 mistakes")

	require.Equal(t, exitUsage, w.exec(nil, "check", w.path("absent.yaml")).code)
	r = w.exec(nil, "check", file, "--config", w.path("absent.yaml"))
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "two configurations are named")
	require.Equal(t, exitUsage, w.exec(nil, "check", "--timeout", "0s").code)
}

func TestCheckProbesEveryCarrierAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("config.yaml", `
organisations: {demo: {concurrency_limit: 1}}
guard: {allow: [GB]}
carriers:
  fine: "fake://"
  down: "probed://down"
  slow: "probed://slow"
  slower: "probed://slow"
  deaf: "probed://deaf"
  plain: {url: "called-back://x", guard: off}
  guarded: "called-back://y"
`)
	begun := time.Now()
	r := w.exec(nil, "check", file, "--probe", "--timeout", "300ms")
	require.Equal(t, exitFailed, r.code)
	require.Less(t, time.Since(begun), 20*time.Second)
	for _, line := range []string{
		`fine +fake, no limits: ok`,
		`down +probed, .*: FAILED: 401 Unauthorized`,
		`slow +probed, .*: FAILED: no answer within 300ms`,
		`slower +probed, .*: FAILED: no answer within 300ms`,
		`deaf +probed, .*: FAILED: no answer within 300ms`,
		`plain +called-back, .*: cannot be probed`,
		`guarded +called-back, .*: cannot be probed`,
	} {
		require.Regexp(t, `(?m)^  `+line+`$`, r.out)
	}
	require.Equal(t, "Carriers that would take no calls: 4.\n", r.errOut)
	doc := map[string]any{}
	r = w.exec(nil, "check", file, "--probe", "--timeout", "300ms", "--json")
	require.Equal(t, exitFailed, r.code)
	require.NoError(t, json.Unmarshal([]byte(r.out), &doc))
	require.Len(t, doc["check"].(map[string]any)["carriers"], 7)
}

// TestCheckRefusesTwoCarriersWithOneAddress has the real kinds, none of which would say so in such words.
func TestCheckRefusesTwoCarriersWithOneAddress(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t, fast), freeAddress(t)
	file := w.write("config.yaml", `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB]}
carriers:
  one: "twilio://`+twilioAccount+`:hunter2@?public=https://calls.example.com/carriers/one"
  two: "twilio://`+twilioAccount+`:hunter3@?public=https://calls.example.com/carriers/one/"
  trunk: "sip://user:hunter4@127.0.0.1?listen=`+at+`&keepalive=0"
  other: "sip://user:hunter5@127.0.0.1?listen=`+at+`&keepalive=0"
`)
	r := w.exec(nil, "check", file)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "2 mistakes")
	require.Contains(t, r.errOut, `carriers.two: the parameter public names the address of carrier "one"`)
	require.Contains(t, r.errOut, `carriers.other: the parameter listen names the address of carrier "trunk"`)
	require.NotContains(t, r.errOut, "hunter")
}
