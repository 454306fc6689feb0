package twiliotest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/store/sqlite"
)

const (
	childEnv = "OUTDIAL_TWILIOTEST_CHILD"

	account = "AC00000000000000000000000000000001"
	token   = "the auth token"
	org     = "org"
	london  = dialer.Phone("+442071838750")
)

// life is what a process that dials is told: this program once more, which knows nothing but the
// database.
type life struct {
	Database, Batch string
	API             string // where the stand-in is
	Listen          string // where to be called back
	Agent           string
	Target          int
	CPS             float64
	Machines        twilio.Machines
	Timing          twilio.Timing
}

// child dials a batch to its end.
func child(text string) error {
	var l life
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	d, err := twilio.New(twilio.Config{
		AccountSID: account, AuthToken: token, BaseURL: l.API, PublicURL: "http://" + l.Listen + "/twilio",
		InsecureLoopback: true, Limits: dialer.Limits{CPS: l.CPS}, Timing: l.Timing, Machines: l.Machines, Logger: logger,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", l.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: d.Handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = l.dial(d, logger)
	return errors.Join(err, d.Close(), server.Close(), ignoreClosed(<-served))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (l *life) dial(d dialer.Dialer, logger *slog.Logger) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st, err := sqlite.Open(ctx, sqlite.Config{Path: l.Database, Logger: logger})
	if err != nil {
		return err
	}
	defer st.Close()
	e, err := batch.New(batch.Config{
		Store: st, Directory: directory{*l}, Dialers: map[string]dialer.Dialer{"twilio": d}, Logger: logger,
	})
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	for c, err := range e.Watch(ctx, org, l.Batch, 0) {
		if err != nil {
			return err
		}
		if c.Batch != nil && c.Batch.Counts.Queued+c.Batch.Counts.InFlight() == 0 {
			break
		}
	}
	cancel()
	return <-ran
}

// directory is one organisation with one number and one agent.
type directory struct{ life }

func (d directory) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: d.Target}, nil
}

func (d directory) Agent(context.Context, string, string) (dialer.Agent, error) {
	return dialer.Agent{ID: "agent", URL: d.life.Agent}, nil
}

func (directory) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: london, Carriers: []string{"twilio"}}, nil
}

// create makes the batch that the lives to come will dial.
func (l *life) create(ctx context.Context, numbers []dialer.Phone) error {
	st, err := sqlite.Open(ctx, sqlite.Config{Path: l.Database})
	if err != nil {
		return err
	}
	defer st.Close()
	e, err := batch.New(batch.Config{Store: st, Directory: directory{*l}})
	if err != nil {
		return err
	}
	request := batch.Request{
		Name: "batch", AgentID: "agent", NumberID: "london", Target: l.Target,
		RingTimeout: batch.MinRingTimeout, MaxDuration: batch.MinMaxDuration,
	}
	for i, number := range numbers {
		request.Recipients = append(request.Recipients, batch.RecipientRequest{
			To: string(number), Metadata: json.RawMessage(fmt.Sprintf(`{"place":"%d"}`, i)),
		})
	}
	b, err := e.Create(ctx, org, request)
	l.Batch = b.ID
	return err
}
