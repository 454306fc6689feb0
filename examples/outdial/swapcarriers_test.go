package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
	"github.com/outdial/outdial/store"
)

// What becomes of a call is told by the callee's number: behind +442079460, one of these and two digits more.
const (
	agentEnds = iota
	calleeEnds
	isBusy
	noAnswer
	fails
)

// callee is a number that nobody has: Ofcom keeps them free for drama.
func callee(kind, n int) string { return fmt.Sprintf("+442079460%d%02d", kind, n) }

// callees writes a file with n recipients of each kind. The agent learns from it when to hang up.
func (w *world) callees(name string, n int, kinds ...int) string {
	w.t.Helper()
	return w.calleesFrom(0, name, n, kinds...)
}

// calleesFrom writes those that come after the first so many of their kind.
func (w *world) calleesFrom(first int, name string, n int, kinds ...int) string {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("to_number,name,then\n")
	for _, kind := range kinds {
		then := "listen"
		if kind == agentEnds {
			then = "hang up"
		}
		for i := first; i < first+n; i++ {
			fmt.Fprintf(&b, "%s,person %d of kind %d,%s\n", callee(kind, i), i, kind, then)
		}
	}
	return w.write(name, b.String())
}

// swapped is a carrier outside of the program.
type swapped interface {
	name() string
	url() string
	placed() map[string]int // how often each number was called
	live() int
}

func carriersToSwap(t *testing.T, w *world, address string, talk time.Duration) []swapped {
	t.Helper()
	return []swapped{newServedFake(t, w.path("people.csv"), talk), newSIPp(t, w, talk), newTwilio(t, address, talk)}
}

// servedFake is the imitation, as a carrier of its own.
type servedFake struct {
	carrier *fake.Carrier
	address string
	people  string // the file, for the numbers: its books have none
}

func newServedFake(t *testing.T, people string, talk time.Duration) *servedFake {
	t.Helper()
	carrier, err := fake.New(fake.Config{Books: true})
	require.NoError(t, err)
	ends := []dialer.EndReason{
		agentEnds: dialer.AgentHangup, calleeEnds: dialer.ClientHangup, isBusy: dialer.DialBusy,
		noAnswer: dialer.DialNoAnswer, fails: dialer.DialFailed,
	}
	for kind, end := range ends {
		b := fake.Behaviour{End: end, Ring: 10 * time.Millisecond, Talk: talk}
		if kind == noAnswer {
			b.Ring = fake.Forever
		}
		for n := range 100 {
			carrier.Script(dialer.Phone(callee(kind, n)), b)
		}
	}
	return &servedFake{carrier: carrier, address: serveFake(t, carrier), people: people}
}

// serveFake serves a carrier until the test ends.
func serveFake(t *testing.T, carrier *fake.Carrier) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- carrier.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, carrier.Close())
		require.NoError(t, l.Close())
		require.NoError(t, <-served)
	})
	return l.Addr().String()
}

func (f *servedFake) name() string { return "fake" }
func (f *servedFake) url() string  { return "fake://" + f.address + "?channels=20" }
func (f *servedFake) live() int    { return f.carrier.Live() }

// placed tells the numbers by their places in the file.
func (f *servedFake) placed() map[string]int {
	text, err := os.ReadFile(f.people)
	if err != nil {
		return nil // there is nobody to call yet
	}
	lines := strings.Split(string(text), "\n")[1:]
	all := map[string]int{}
	for _, e := range f.carrier.Books().Entries {
		if e.Event != fake.Placed {
			continue
		}
		if _, index, err := store.ParseRecipientID(e.Recipient); err == nil {
			number, _, _ := strings.Cut(lines[index], ",")
			all[number]++
		}
	}
	return all
}

// standIn is Twilio's place.
type standIn struct {
	carrier *twiliotest.Twilio
	address string // of outdial
	api     *httptest.Server
}

const (
	twilioAccount = "AC00000000000000000000000000000001"
	twilioToken   = "tokentokentokentokentokentoken12"
)

func newTwilio(t *testing.T, address string, talk time.Duration) *standIn {
	t.Helper()
	s := &standIn{carrier: twiliotest.New(twiliotest.Config{AccountSID: twilioAccount, AuthToken: twilioToken}), address: address}
	s.api = httptest.NewServer(s.carrier)
	t.Cleanup(func() {
		s.carrier.Close()
		s.api.Close()
	})
	const ring = 10 * time.Millisecond
	for n := range 100 {
		for kind, b := range []twiliotest.Behaviour{
			agentEnds: {Ring: ring, Talk: time.Minute}, calleeEnds: {Ring: ring, Talk: talk}, isBusy: {Ring: ring, End: "busy"},
			noAnswer: {Ring: twiliotest.Forever}, fails: {End: "failed"},
		} {
			s.carrier.Script(callee(kind, n), b)
		}
	}
	return s
}

func (s *standIn) name() string { return "twilio" }
func (s *standIn) live() int    { return s.carrier.Live() }

func (s *standIn) url() string {
	return "twilio://" + twilioAccount + ":" + twilioToken + "@?insecure=loopback&base=" + s.api.URL +
		"&public=http://" + s.address + "/carriers/trunk&cps=100&channels=20"
}

func (s *standIn) placed() map[string]int {
	all := map[string]int{}
	for _, e := range s.carrier.Books() {
		all[e.To]++
	}
	return all
}

// studio is the agent of all carriers. It hangs up at once where the recipient's metadata say so.
type studio struct {
	server *httptest.Server

	mu   sync.Mutex
	seen map[string]map[string]string // by the callee's name
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	a := &studio{seen: map[string]map[string]string{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *studio) url() string { return strings.Replace(a.server.URL, "http", "ws", 1) + "/" }

func (a *studio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		var m struct {
			Event string `json:"event"`
			Start struct {
				Parameters map[string]string `json:"customParameters"` //nolint:tagliatelle // the name is Twilio's
			} `json:"start"`
		}
		if err := wsjson.Read(r.Context(), conn, &m); err != nil {
			return
		}
		if m.Event != "start" {
			continue
		}
		a.note(m.Start.Parameters)
		if m.Start.Parameters["then"] == "hang up" {
			conn.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// note keeps what does not differ from batch to batch.
func (a *studio) note(parameters map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range []string{"call", "batch", "recipient"} {
		if parameters[id] != "" {
			parameters[id] = "an id"
		}
	}
	a.seen[parameters["name"]] = parameters
}

func (a *studio) calls() map[string]map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

func (a *studio) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = map[string]map[string]string{}
}

// jsonWith runs a command with --json and the arguments as they are.
func (w *world) jsonWith(args ...string) (map[string]any, result) {
	w.t.Helper()
	r := w.exec(nil, append(args, "--json")...)
	var doc map[string]any
	require.NoError(w.t, json.Unmarshal([]byte(r.out), &doc), "%s%s", r.out, r.errOut)
	return doc, r
}

// sortedOutcomes has them in an order that does not depend on how many there are.
func sortedOutcomes(all []outcome) []outcome {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b outcome) int { return strings.Compare(a.status+a.reason, b.status+b.reason) })
	return all
}
