package httpapi_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/batch/httpapi/contracttest"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/sqlite"
)

// offices is a Directory of organisations that know different things.
type offices map[string]*premises

type premises struct {
	batch.Organisation

	agents  []string
	numbers map[string]batch.Number
}

func (o offices) Organisation(_ context.Context, org string) (batch.Organisation, error) {
	if o[org] == nil {
		return batch.Organisation{}, batch.ErrNotFound
	}
	return o[org].Organisation, nil
}

func (o offices) Agent(_ context.Context, org, id string) (dialer.Agent, error) {
	if o[org] == nil || !slices.Contains(o[org].agents, id) {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return dialer.Agent{ID: id}, nil
}

func (o offices) Number(_ context.Context, org, id string) (batch.Number, error) {
	if o[org] != nil {
		if n, ok := o[org].numbers[id]; ok {
			return n, nil
		}
	}
	return batch.Number{}, batch.ErrNotFound
}

// stationNumbers are numbers whose calls each go to a carrier of the same name.
func stationNumbers() map[string]batch.Number {
	n := map[string]batch.Number{
		"ap_sip":     {Carriers: []string{"answering"}, AnyRegion: true},
		"ap_inbound": {Carriers: []string{"answering"}, InboundOnly: true},
	}
	for name := range stationCarriers() {
		n["ap_"+name] = batch.Number{Carriers: []string{name}}
	}
	for id, number := range n {
		number.E164 = "+442079460000"
		n[id] = number
	}
	return n
}

func stationCarriers() map[string]fake.Config {
	return map[string]fake.Config{
		"answering": {Shares: fake.Shares{Answer: 1}},
		"busy":      {Shares: fake.Shares{Busy: 1}},
		"refused":   {Shares: fake.Shares{Refused: 1}},
		"talking":   {Shares: fake.Shares{Answer: 1}, Talk: time.Hour},
		"ringing":   {Shares: fake.Shares{NoAnswer: 1}, Ring: time.Hour},
		"brief": { // a call lasts a hundredth of a second
			Shares: fake.Shares{Answer: 0.5, Busy: 0.2, Failed: 0.1, Refused: 0.1}, Ring: 2 * time.Second, Talk: 10 * time.Second,
			Speed: 1000,
		},
	}
}

// station is a server with an engine that dials.
type station struct {
	url      string
	carriers map[string]*fake.Carrier
	client   *http.Client // which compares with openapi.yaml
	plain    *http.Client // which does not, and costs less
	checked  *conforming
}

// How long, and how often, what must come to pass is looked for.
const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

const (
	ownKey       = "od_own"
	otherKey     = "od_other"
	exhaustedKey = "od_exhausted"

	stationLimit = 7
	stationBody  = 3 << 20
)

func newStation(t *testing.T, st store.Store) *station {
	t.Helper()
	s := &station{carriers: map[string]*fake.Carrier{}}
	dialers := map[string]dialer.Dialer{}
	for name, cfg := range stationCarriers() {
		cfg.Books = true
		c, err := fake.New(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		s.carriers[name], dialers[name] = c, c.Dialer()
	}
	engine, err := batch.New(batch.Config{
		Store: st, Dialers: dialers, PollInterval: 50 * time.Millisecond, DrainTimeout: batch.NoDrain,
		Directory: offices{
			"acme":      {batch.Organisation{ConcurrencyLimit: stationLimit}, []string{"agent_1", "agent_2"}, stationNumbers()},
			"other":     {batch.Organisation{ConcurrencyLimit: 1}, []string{"agent_3"}, map[string]batch.Number{"ap_3": stationNumbers()["ap_answering"]}},
			"exhausted": {batch.Organisation{ConcurrencyLimit: 5, UsageExceeded: true}, []string{"agent_4"}, map[string]batch.Number{"ap_4": stationNumbers()["ap_answering"]}},
		},
	})
	require.NoError(t, err)
	s.serve(t, engine)
	t.Cleanup(runEngine(t, engine))
	return s
}

func (s *station) serve(t *testing.T, engine *batch.Engine) {
	t.Helper()
	keys, err := httpapi.NewKeys(map[[sha256.Size]byte]string{
		httpapi.HashKey(ownKey): "acme", httpapi.HashKey(otherKey): "other", httpapi.HashKey(exhaustedKey): "exhausted",
	})
	require.NoError(t, err)
	handler, err := httpapi.New(httpapi.Config{
		Engine: engine, Authenticate: keys.Authenticate, MaxBody: stationBody,
		AccountTypes: map[string]string{"answering": "sip_trunk"},
	})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := &http.Transport{ExpectContinueTimeout: time.Minute, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	s.url, s.checked = server.URL, newConforming(t, transport)
	s.client, s.plain = &http.Client{Transport: s.checked}, &http.Client{Transport: transport}
}

// runEngine has it dial until stop is called.
func runEngine(t *testing.T, e *batch.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func (s *station) harness() contracttest.Harness {
	return contracttest.Harness{
		BaseURL: s.url, Client: s.client, Key: ownKey, ConcurrencyLimit: stationLimit, MaxBody: stationBody,
		Agent: "agent_1", SecondAgent: "agent_2", Number: "ap_answering", BusyNumber: "ap_busy", RefusedNumber: "ap_refused",
		TalkingNumber: "ap_talking", RingingNumber: "ap_ringing", SIPNumber: "ap_sip", InboundNumber: "ap_inbound",
		OtherKey: otherKey, OtherAgent: "agent_3", OtherNumber: "ap_3",
		ExhaustedKey: exhaustedKey, ExhaustedAgent: "agent_4", ExhaustedNumber: "ap_4",
	}
}

// eachStore runs a test over every store that comes with the module and needs no server.
func eachStore(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Helper()
	t.Run("Memory", func(t *testing.T) { test(t, memory.New()) })
	t.Run("SQLite", func(t *testing.T) {
		st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "outdial.db")})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		test(t, st)
	})
}
