package batch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store/memory"
)

// A session that is over already lets calls begin for nobody, and leaves the dialers to its successor.
func TestASessionThatIsOverReleasesNoDialers(t *testing.T) {
	e, err := New(Config{
		Store: memory.New(), Directory: &slowDirectory{}, Dialers: map[string]dialer.Dialer{"x": silent{}},
	})
	require.NoError(t, err)
	e.carriers.get("x").hold()
	s := &session{e: e, bell: e.sys.newBell(), loops: map[string]*loop{}}
	s.fence()
	s.begin()
	require.Len(t, e.kept, 1)
	require.False(t, s.ready.Load())
	(&session{e: e, bell: e.sys.newBell(), loops: map[string]*loop{}}).begin()
	require.Empty(t, e.kept, "its successor has begun")
}
