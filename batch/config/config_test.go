package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/guard"
)

const two = `
organisations:
  acme: {concurrency_limit: 10, usage_exceeded: true}
  demo: {concurrency_limit: 40, region: EU}
agents:
  greeter: {organisation: demo, url: "wss://agents.example/greeter"}
  closer: {organisation: demo}
  seller: {organisation: acme, url: "ws://localhost:8080"}
guard: {allow: [GB, US]}
carriers:
  one: "test://one?channels=2"
  two: "test://two"
numbers:
  main: {organisation: demo, e164: +442079460000, carriers: [two, one], region: US, any_region: true, channels: 2}
  in: {organisation: demo, e164: "+442079460001", inbound_only: true}
  us: {organisation: acme, e164: "+14155550123", carriers: [one]}
`

func TestWhatAFileSays(t *testing.T) {
	c := parseWith(t, nil, two)
	ctx := t.Context()

	o, err := c.Organisation(ctx, "acme")
	require.NoError(t, err)
	require.Equal(t, batch.Organisation{ConcurrencyLimit: 10, UsageExceeded: true}, o)

	a, err := c.Agent(ctx, "demo", "greeter")
	require.NoError(t, err)
	require.Equal(t, dialer.Agent{ID: "greeter", URL: "wss://agents.example/greeter"}, a)

	n, err := c.Number(ctx, "demo", "main")
	require.NoError(t, err)
	require.Equal(t, batch.Number{
		E164: "+442079460000", Carriers: []string{"two", "one"}, Region: "US", AnyRegion: true, Channels: 2,
	}, n)

	n, err = c.Number(ctx, "demo", "in")
	require.NoError(t, err)
	require.Equal(t, batch.Number{E164: "+442079460001", InboundOnly: true, Channels: 1}, n)

	require.Equal(t, []string{"acme", "demo"}, c.Organisations())
	require.Equal(t, []string{"closer", "greeter"}, c.Agents("demo"))
	require.Equal(t, []string{"in", "main"}, c.Numbers("demo"))
	require.Empty(t, c.Agents("nobody"))
	require.Len(t, c.Dialers(), 2)
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	c := parseWith(t, nil, two)
	_, err := c.Organisation(t.Context(), "nobody")
	require.ErrorIs(t, err, batch.ErrNotFound)
	for _, org := range []string{"acme", "nobody", ""} {
		_, err = c.Agent(t.Context(), org, "greeter")
		require.ErrorIs(t, err, batch.ErrNotFound, "another organisation's agent")
		_, err = c.Number(t.Context(), org, "main")
		require.ErrorIs(t, err, batch.ErrNotFound, "another organisation's number")
	}
}

func TestCallersCannotChangeAConfig(t *testing.T) {
	c := parseWith(t, nil, two)
	n, err := c.Number(t.Context(), "demo", "main")
	require.NoError(t, err)
	n.Carriers[0] = "changed"
	clear(c.Dialers())
	n, err = c.Number(t.Context(), "demo", "main")
	require.NoError(t, err)
	require.Equal(t, []string{"two", "one"}, n.Carriers)
	require.Len(t, c.Dialers(), 2)
}

func TestOrganisationMayBeLeftOutWhereThereIsOne(t *testing.T) {
	c := parseWith(t, nil, good)
	require.Equal(t, []string{"greeter"}, c.Agents("demo"))
	require.Equal(t, []string{"main"}, c.Numbers("demo"))
}

func TestFileWithOrganisationsOnly(t *testing.T) {
	c := parseWith(t, nil, "organisations: {42: {concurrency_limit: 0x10}}\nagents:\ncarriers: {}\n")
	o, err := c.Organisation(t.Context(), "42")
	require.NoError(t, err)
	require.Equal(t, 16, o.ConcurrencyLimit)
}

func TestCloseClosesEveryCarrier(t *testing.T) {
	c, err := Parse("f.yaml", []byte(`
organisations: {demo: {concurrency_limit: 1}}
guard: {allow: [GB]}
carriers: {a: "test://a?close=stuck", b: "test://b", c: {url: "test://c?close=lost", guard: off}}
`))
	require.NoError(t, err)
	require.EqualError(t, c.Close(), "config: closing carrier \"a\": stuck\nconfig: closing carrier \"c\": lost")
	for name := range c.carriers {
		require.Equal(t, 1, opened(t, c, name).closings(), name)
	}
}

func TestCarriersOfABrokenFileAreClosed(t *testing.T) {
	r := &reader{lookup: lookupIn(nil), ledger: &guard.Ledger{}}
	c := r.config([]byte("carriers: {a: 'test://a', b: 'nope://b'}\norganisations: {demo: {}}\n"))
	require.Len(t, r.mistakes, 3)
	require.Len(t, c.carriers, 1, "what was opened can be closed")
	require.NoError(t, c.Close())
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outdial.yaml")
	require.NoError(t, os.WriteFile(path, []byte(two), 0o600))
	c, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "demo"}, c.Organisations())
	require.NoError(t, c.Close())

	require.NoError(t, os.WriteFile(path, []byte("organisations:"), 0o600))
	_, err = Load(path)
	require.ErrorContains(t, err, path+":1:1: organisations: expected at least one organisation")

	require.NoError(t, os.WriteFile(path, make([]byte, MaxSize+100), 0o600))
	_, err = Load(path)
	require.ErrorContains(t, err, "the file has more than 1048576 bytes")

	_, err = Load(path + ".missing")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Load(t.TempDir())
	require.ErrorContains(t, err, "config: read ")
}
