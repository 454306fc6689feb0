package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// engine is what Reload sees of one.
type engine struct {
	fail error

	mu      sync.Mutex
	sets    int
	dialers map[string]dialer.Dialer
	retired chan struct{} // of the latest set
}

func (e *engine) set(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return nil, e.fail
	}
	e.sets++
	e.dialers, e.retired = dialers, make(chan struct{})
	return e.retired, nil
}

// liveFile is a file with a Live over it.
type liveFile struct {
	*Live

	t    *testing.T
	path string
	env  map[string]string
}

func openFile(t *testing.T, text string) *liveFile {
	t.Helper()
	f := &liveFile{t: t, path: filepath.Join(t.TempDir(), "outdial.yaml"), env: map[string]string{}}
	f.write(text)
	var err error
	f.Live, err = openLive(f.path, func(name string) (string, bool) { v, ok := f.env[name]; return v, ok })
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *liveFile) write(text string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.path, []byte(text), 0o600))
}

// change replaces something in the file and reads it again.
func (f *liveFile) change(e *engine, pairs ...string) (Changes, error) {
	f.t.Helper()
	text, err := os.ReadFile(f.path)
	require.NoError(f.t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(f.t, string(text), pairs[i])
	}
	f.write(strings.NewReplacer(pairs...).Replace(string(text)))
	return f.Reload(e.set)
}

const three = `organisations:
  demo: {concurrency_limit: 40}
guard: {allow: [GB]}
carriers:
  one: "test://one"
  two: {url: "test://two", guard: {hourly: 7}}
  three: "fake://three?speed=2"
numbers:
  main: {e164: "+442079460000", carriers: [one, two]}
`

func TestReloadKeepsWhatHasNotChanged(t *testing.T) {
	f, e := openFile(t, three), &engine{}
	before := f.Dialers()
	one := opened(t, f.Config(), "one")

	c, err := f.change(e, "40", "50", "test://one", "test://other")
	require.NoError(t, err)
	require.Equal(t, "organisations replaced: demo; carriers replaced: one", c.String())
	o, err := f.Organisation(t.Context(), "demo")
	require.NoError(t, err)
	require.Equal(t, 50, o.ConcurrencyLimit)
	now := f.Dialers()
	require.Equal(t, now, e.dialers)
	require.NotSame(t, before["one"], now["one"])
	require.Same(t, before["two"], now["two"])
	require.Equal(t, before["three"], now["three"])
	require.Equal(t, "other", opened(t, f.Config(), "one").url.Host)

	require.Equal(t, []dialer.Dialer{now["one"], before["one"]}, f.Carrier("one"), "its calls go on")
	require.Zero(t, one.closings())
	close(e.retired)
	require.Eventually(t, func() bool { return one.closings() == 1 }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool { return len(f.Carrier("one")) == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.Equal(t, 1, one.closings())
	require.Equal(t, 1, opened(t, f.Config(), "one").closings())
	require.Equal(t, 1, opened(t, f.Config(), "two").closings())
}

func TestWhatMakesAnotherCarrier(t *testing.T) {
	for name, test := range map[string]struct {
		pairs []string
		env   string // what SECRET becomes
		want  string
	}{
		"nothing":                     {nil, "a", "nothing"},
		"another order":               {[]string{"[one, two]", "[two, one]"}, "a", "numbers replaced: main"},
		"weights":                     {[]string{"[one, two]", "{one: 3, two: 1}"}, "a", "numbers replaced: main"},
		"another secret":              {nil, "b", "carriers replaced: four"},
		"the file's guard":            {[]string{"[GB]", "[GB, US]"}, "a", "carriers replaced: four, one, two"},
		"its own guard":               {[]string{"hourly: 7", "hourly: 8"}, "a", "carriers replaced: two"},
		"no guard":                    {[]string{"{hourly: 7}", "off"}, "a", "carriers replaced: two"},
		"a guard for an imitation":    {[]string{`"fake://three?speed=2"`, `{url: "fake://three?speed=2", guard: {}}`}, "a", "carriers replaced: three"},
		"another form of the same":    {[]string{`one: "test://one"`, `one: {url: "test://one"}`}, "a", "nothing"},
		"other words of the same":     {[]string{`{hourly: 7}`, `{allow: [GB], hourly: 0x7}`}, "a", "nothing"},
		"one more":                    {[]string{"numbers:", "  five: \"fake://\"\nnumbers:"}, "a", "carriers added: five"},
		"one less":                    {[]string{"  three: \"fake://three?speed=2\"\n", ""}, "a", "carriers removed: three"},
		"another name":                {[]string{"  three:", "  drei:"}, "a", "carriers added: drei; carriers removed: three"},
		"another name of a number":    {[]string{"main:", "new:"}, "a", "numbers added: new; numbers removed: main"},
		"a comment and another place": {[]string{"numbers:", "# later\n\nnumbers:"}, "a", "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(three, "numbers:", "  four: \"test://user:${SECRET}@four\"\nnumbers:", 1)
			path := filepath.Join(t.TempDir(), "outdial.yaml")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			env := map[string]string{"SECRET": "a"}
			l, err := openLive(path, lookupIn(env))
			require.NoError(t, err)
			f, e := &liveFile{t: t, path: path, Live: l}, &engine{}
			defer f.Close()
			before := f.Config()
			env["SECRET"] = test.env
			c, err := f.change(e, test.pairs...)
			require.NoError(t, err)
			require.Equal(t, test.want, c.String())
			require.Equal(t, test.want == "nothing", c.IsZero())
			require.Equal(t, 1, e.sets)
			for name, own := range f.Config().carriers {
				changed := strings.Contains(strings.SplitAfter(test.want+"carriers", "carriers")[1], name)
				require.Equal(t, !changed, before.carriers[name].Dialer == own.Dialer, name)
			}
		})
	}
}

func TestABrokenFileChangesNothing(t *testing.T) {
	f, e := openFile(t, three), &engine{}
	before := f.Dialers()
	two := opened(t, f.Config(), "two")
	c, err := f.change(e, "40", "many", "test://one", "test://fine", "fake://three", "nope://three")
	require.True(t, c.IsZero())
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Mistakes, 2)
	require.Equal(t, before, f.Dialers())
	require.Zero(t, e.sets)
	require.Zero(t, two.closings(), "it is in use, though the broken file has it too")

	require.NoError(t, os.Remove(f.path))
	_, err = f.Reload(e.set)
	require.ErrorIs(t, err, fs.ErrNotExist)
	o, err := f.Organisation(t.Context(), "demo")
	require.NoError(t, err)
	require.Equal(t, 40, o.ConcurrencyLimit)

	f.write(three)
	c, err = f.Reload(e.set)
	require.NoError(t, err)
	require.True(t, c.IsZero())
}

func TestWhatABrokenFileOpenedIsClosed(t *testing.T) {
	f := openFile(t, three)
	r := &reader{lookup: lookupIn(nil), before: f.Config().carriers, ledger: f.Config().ledger}
	c := r.config([]byte(strings.NewReplacer("40", "many", "test://one", "test://fine").Replace(three)))
	require.Len(t, r.mistakes, 1)
	fresh := c.notIn(f.Config())
	require.Len(t, fresh, 1)
	require.NoError(t, closeAll(fresh))
	require.Equal(t, 1, opened(t, c, "one").closings())
	require.Zero(t, opened(t, c, "two").closings())
}

func TestAnEngineThatRefusesChangesNothing(t *testing.T) {
	f, e := openFile(t, three), &engine{fail: errors.New("no such name")}
	before := f.Dialers()
	var offered dialer.Dialer
	_, err := f.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
		offered = dialers["one"]
		return e.set(dialers)
	})
	require.EqualError(t, err, "no such name")
	require.Same(t, before["one"], offered)
	f.write(strings.Replace(three, "test://one", "test://other", 1))
	_, err = f.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
		offered = dialers["one"]
		return e.set(dialers)
	})
	require.EqualError(t, err, "no such name")
	require.Equal(t, before, f.Dialers())
	d, ok := dialer.As[*testDialer](offered)
	require.True(t, ok)
	require.Equal(t, 1, d.closings())
	require.Zero(t, opened(t, f.Config(), "one").closings())
}

func TestARemovedCarrierIsFoundUntilItsCallsAreOver(t *testing.T) {
	f, e := openFile(t, three), &engine{}
	first := f.Dialers()["one"]
	_, err := f.change(e, "test://one", "test://second")
	require.NoError(t, err)
	second, firstRetired := f.Dialers()["one"], e.retired
	_, err = f.change(e, "  one: \"test://second\"\n", "", "[one, two]", "[two]")
	require.NoError(t, err)
	require.Equal(t, []dialer.Dialer{second, first}, f.Carrier("one"))
	close(firstRetired)
	require.Eventually(t, func() bool { return len(f.Carrier("one")) == 1 }, time.Minute, time.Millisecond)
	close(e.retired)
	require.Eventually(t, func() bool { return f.Carrier("one") == nil }, time.Minute, time.Millisecond)
	require.Empty(t, f.Carrier("nobody"))
	require.Len(t, f.Carrier("two"), 1)
}

func TestCloseDoesNotWaitForCalls(t *testing.T) {
	f, e := openFile(t, strings.Replace(three, "test://one", "test://one?close=stuck", 1)), &engine{}
	old := opened(t, f.Config(), "one")
	_, err := f.change(e, "test://one?close=stuck", "test://other?close=lost")
	require.NoError(t, err)
	require.EqualError(t, f.Close(), "config: closing carrier \"one\": stuck\nconfig: closing carrier \"one\": lost")
	require.Equal(t, 1, old.closings())
	_, err = f.Reload(e.set)
	require.ErrorIs(t, err, ErrClosed)
	require.Equal(t, 1, e.sets)
}

func TestKeysAreReadAgain(t *testing.T) {
	a, b, c := hashOf("od_a"), hashOf("od_b"), hashOf("od_c")
	f, e := openFile(t, "organisations:\n  demo: {concurrency_limit: 1, api_keys: [\""+a+"\", \""+b+"\"]}\n  more: {concurrency_limit: 1}\n"), &engine{}
	require.Len(t, f.APIKeys(), 2)
	changes, err := f.change(e, a, c, "more: {concurrency_limit: 1", "more: {concurrency_limit: 1, api_keys: [\""+b+"\"]", ", \""+b+"\"]", "]")
	require.NoError(t, err)
	require.Equal(t, "API keys added: 2; API keys removed: 2", changes.String())
	require.Equal(t, 2, changes.KeysAdded)
	require.Len(t, f.APIKeys(), 2)
	require.NotContains(t, changes.String(), "sha256")
}

// TestManyAtOnce reloads, reads and closes all at the same time: every dialer that was opened is closed,
// once, and none while the engine has it.
func TestManyAtOnce(t *testing.T) {
	all.Store(nil)
	t.Cleanup(func() { all.Store(nil) })
	made := &made{}
	all.Store(made)
	f, e := openFile(t, three), &engine{}
	var stop atomic.Bool
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for n := 0; !stop.Load(); n++ {
				text := strings.Replace(three, "test://one", "test://one?note="+string(rune('a'+(n+i)%3)), 1)
				if n%5 == 4 {
					text = "broken: ["
				}
				temporary := f.path + string(rune('0'+i))
				if os.WriteFile(temporary, []byte(text), 0o600) != nil || os.Rename(temporary, f.path) != nil {
					t.Error("the file cannot be written")
				}
				_, err := f.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
					before := e.retired
					retired, err := e.set(dialers)
					if before != nil {
						close(before) // the calls of the one before the last are over
					}
					return retired, err
				})
				var invalid *InvalidError
				if err != nil && !errors.As(err, &invalid) && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		work.Go(func() {
			for !stop.Load() {
				n, err := f.Number(t.Context(), "demo", "main")
				if err != nil || len(n.Carriers) != 2 || len(f.Carrier("one")) == 0 || f.Dialers()["two"] == nil {
					t.Errorf("%v %v", n, err)
				}
				_ = f.APIKeys()
			}
		})
	}
	require.Eventually(t, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.sets > 100 }, 30*time.Second, time.Millisecond)
	require.NoError(t, f.Close(), "while they are at it")
	stop.Store(true)
	work.Wait()
	made.mu.Lock()
	defer made.mu.Unlock()
	require.Greater(t, len(made.dialers), 10)
	for i, d := range made.dialers {
		require.Equal(t, 1, d.closings(), "%d of %d", i, len(made.dialers))
	}
}

func TestOpenWhatIsNotThere(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "absent.yaml"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	path := filepath.Join(t.TempDir(), "outdial.yaml")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	_, err = Open(path)
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
}
