package batch

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// The defaults of [Config].
const (
	DefaultPollInterval = 500 * time.Millisecond
	DefaultLease        = 10 * time.Second
	DefaultDrainTimeout = 30 * time.Second
	DefaultGrace        = 10 * time.Second
	DefaultStoreTimeout = 30 * time.Second
	DefaultDirectoryTTL = time.Second
	DefaultMaxStep      = 500
)

// minLease leaves a node time to renew it.
const minLease = 100 * time.Millisecond

// NoDrain is the DrainTimeout with which Run waits for no call.
const NoDrain time.Duration = -1

// Config is what [New] makes an engine from. Store, Directory and at least one dialer
// are required; every other field works as its zero value.
type Config struct {
	// Store keeps everything that must not be forgotten. The host opens and closes it.
	Store store.Store

	// Directory tells what the engine must know of organisations, agents and numbers.
	Directory Directory

	// Dialers are the carriers by name, as a [Number] lists them. An engine that only
	// creates, reads and cancels (one that does not Run) may have none.
	Dialers map[string]dialer.Dialer

	// Regions are the regions whose batches this engine dials: any of US, EU, APAC.
	// Empty: all of them.
	Regions []string

	// Logger gets what an operator would want to know. It never gets a whole phone
	// number. Nil: nothing is logged.
	Logger *slog.Logger

	// PollInterval is how often the store is asked for what other processes
	// created, changed or cancelled. This engine's own requests take effect at once.
	// 0: DefaultPollInterval. Longer spares a store that many engines share.
	PollInterval time.Duration

	// Lease is how long after this engine's last sign of life another one may take
	// over its calls. It is renewed every third of it. 0: DefaultLease. Longer where the
	// store may be out of reach for longer than this without the node being dead.
	Lease time.Duration

	// DrainTimeout is how long Run waits for calls in flight once its context has
	// ended. Calls that last longer are hung up, or left to the next engine where
	// the carrier can resume them. 0: DefaultDrainTimeout; NoDrain: not at all.
	DrainTimeout time.Duration

	// Grace is how much later than the dialer the engine itself ends a call: by that much
	// after the ring timeout or the maximum duration it hangs up, and after as
	// much again it gives the slot back without the dialer's consent. 0: DefaultGrace.
	Grace time.Duration

	// StoreTimeout bounds one call of the store. After it the call is tried again.
	// 0: DefaultStoreTimeout.
	StoreTimeout time.Duration

	// DirectoryTTL is how long an answer of the Directory is used before it is asked
	// again, hence how soon a changed limit or carrier applies: no call begins on an answer
	// asked for longer ago than twice that, unless the Directory took longer than this to
	// give it, or fails, or has so many agents to tell of that it is asked without a pause.
	// 0: DefaultDirectoryTTL.
	DirectoryTTL time.Duration

	// MaxMetadata is the most bytes of metadata a recipient may have.
	// 0: store.MaxMetadata, which is also the most.
	MaxMetadata int

	// MaxStep is the most recipients that are claimed in one transaction.
	// 0: DefaultMaxStep.
	MaxStep int

	// Random is where ids come from. Nil: crypto/rand. Set it only in tests.
	Random io.Reader
}

func (c Config) withDefaults() Config {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
	c.Lease = cmp.Or(c.Lease, DefaultLease)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	c.StoreTimeout = cmp.Or(c.StoreTimeout, DefaultStoreTimeout)
	c.DirectoryTTL = cmp.Or(c.DirectoryTTL, DefaultDirectoryTTL)
	c.MaxMetadata = cmp.Or(c.MaxMetadata, store.MaxMetadata)
	c.MaxStep = cmp.Or(c.MaxStep, DefaultMaxStep)
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

// validate names every field that cannot be used.
func (c Config) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("batch: Config.%s: "+format, append([]any{field}, args...)...))
	}
	if c.Store == nil {
		bad("Store", "required")
	}
	if c.Directory == nil {
		bad("Directory", "required")
	}
	if err := checkDialers(c.Dialers); err != nil {
		bad("Dialers", "%w", err)
	}
	for _, r := range c.Regions {
		if !slices.Contains(regions(), r) {
			bad("Regions", "%q: expected any of %v", r, regions())
		}
	}
	for field, d := range map[string]time.Duration{
		"PollInterval": c.PollInterval, "Lease": c.Lease, "Grace": c.Grace,
		"StoreTimeout": c.StoreTimeout, "DirectoryTTL": c.DirectoryTTL,
	} {
		if d < 0 {
			bad(field, "%v: expected a time of at least 0", d)
		}
	}
	if c.Lease > 0 && c.Lease < minLease {
		bad("Lease", "%v: expected at least %v", c.Lease, minLease)
	}
	if c.DrainTimeout < 0 && c.DrainTimeout != NoDrain {
		bad("DrainTimeout", "%v: expected a time of at least 0, or NoDrain", c.DrainTimeout)
	}
	if c.MaxMetadata < 0 || c.MaxMetadata > store.MaxMetadata {
		bad("MaxMetadata", "%d: expected at most %d", c.MaxMetadata, store.MaxMetadata)
	}
	if c.MaxStep < 0 {
		bad("MaxStep", "%d: expected at least 1", c.MaxStep)
	}
	return errors.Join(errs...)
}
