package config

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// pass lets the time of a bubble pass.
func pass(d time.Duration) { <-time.After(d) }

const lingering = "test://one?linger=29h"

// TestACarrierIsKeptForTheCallsOfOtherProcesses has this process have no call at all when a carrier is replaced, or
// taken away.
func TestACarrierIsKeptForTheCallsOfOtherProcesses(t *testing.T) {
	for name, after := range map[string][]string{
		"replaced":   {lingering, "test://other"},
		"taken away": {"  one: \"" + lingering + "\"\n", "", "[one, two]", "[two]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, e := openFile(t, strings.Replace(three, "test://one", lingering, 1)), &engine{}
				old, d := opened(t, f.Config(), "one"), f.Dialers()["one"]
				two := opened(t, f.Config(), "two")
				_, err := f.change(e, append(after, "hourly: 7", "hourly: 8")...)
				require.NoError(t, err)
				require.Len(t, f.Leaving(), 2)
				close(e.retired)
				synctest.Wait()
				require.Equal(t, 1, two.closings(), "nothing comes for that one")
				pass(29*time.Hour - time.Second)
				require.Zero(t, old.closings())
				require.Contains(t, f.Carrier("one"), d)
				require.Equal(t, []dialer.Dialer{d}, f.Leaving())
				pass(2 * time.Second)
				require.Equal(t, 1, old.closings())
				require.NotContains(t, f.Carrier("one"), d)
				require.Empty(t, f.Leaving())
			})
		})
	}
}

func TestCloseDoesNotWaitForTheCallsOfOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := openFile(t, strings.Replace(three, "test://one", lingering, 1)), &engine{}
		old := opened(t, f.Config(), "one")
		_, err := f.change(e, lingering, "test://other?linger=1h")
		require.NoError(t, err)
		close(e.retired)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, f.Close())
		require.Zero(t, time.Since(began))
		require.Equal(t, 1, old.closings())
	})
}

// TestACarrierThatIsKeptAllowsNothing is about whether a refusal is final: no call goes over one that was taken away.
func TestACarrierThatIsKeptAllowsNothing(t *testing.T) {
	for _, guard := range []string{"{allow: [FR]}", "off"} {
		synctest.Test(t, func(t *testing.T) {
			line := `  one: {url: "` + lingering + `", guard: ` + guard + "}\n"
			f, e := openFile(t, strings.NewReplacer("  one: \"test://one\"\n", line, "  three: \"fake://three?speed=2\"\n", "").
				Replace(three)), &engine{}
			refused := func() error {
				_, err := placed(t, f.Dialers(), "two", "+33142685300", 1)
				return err
			}
			require.NotErrorIs(t, refused(), dialer.ErrForbidden, "the other one may take it")
			_, err := f.change(e, line, "", "[one, two]", "[two]")
			require.NoError(t, err)
			close(e.retired)
			synctest.Wait()
			require.ErrorIs(t, refused(), dialer.ErrForbidden)
			require.Len(t, f.Leaving(), 1)
		})
	}
}

// TestACarrierThatComesBackFindsTheOneThatIsKept has its calls of other processes be told of at the new one.
func TestACarrierThatComesBackFindsTheOneThatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Replace(three, "test://one", lingering, 1)
		f, e := openFile(t, text), &engine{}
		first := f.Dialers()["one"]
		_, err := f.change(e, "  one: \""+lingering+"\"\n", "", "[one, two]", "[two]")
		require.NoError(t, err)
		close(e.retired)
		pass(time.Hour)
		f.write(text)
		_, err = f.Reload(e.set)
		require.NoError(t, err)
		require.Same(t, first, opened(t, f.Config(), "one").replaced)
	})
}
