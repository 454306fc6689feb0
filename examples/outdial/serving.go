package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/store"
)

// serving is a server from its start to its end.
type serving struct {
	cmd         *serveCmd
	app         *app
	config      servedConfig
	database    database
	local       *local
	listener    net.Listener
	certificate *tls.Certificate // nil: no TLS
	http        *http.Server
	keys        *httpapi.Keys
	api         atomic.Pointer[api]

	listening context.Context    //nolint:containedctx // ends when listeners to events are to leave
	leave     context.CancelFunc // ends listening
}

// prepare makes everything that can be refused.
func (s *serving) prepare(keys map[[32]byte]string) error {
	known, err := httpapi.NewKeys(keys)
	if err != nil {
		return fmt.Errorf("taking the API keys: %w", err)
	}
	s.keys = known
	if err := s.renewAPI(); err != nil {
		return usagef("the server cannot be set up like this: %w", err)
	}
	s.listening, s.leave = context.WithCancel(context.Background())
	s.http = httpapi.NewServer(s.front(), httpapi.ServerConfig{Logger: s.local.logger})
	if s.certificate != nil {
		s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*s.certificate}, MinVersion: tls.VersionTLS12}
	}
	return nil
}

// api is the HTTP interface, with what it was told of the carriers.
type api struct {
	http.Handler

	accountTypes map[string]string
}

// renewAPI makes the HTTP interface, and makes it again where carriers are of another kind than
// it was told. Requests and listeners that it has already stay with the one that they came to.
func (s *serving) renewAPI() error {
	types := accountTypes(s.config.Config().Kinds())
	if now := s.api.Load(); now != nil && maps.Equal(now.accountTypes, types) {
		return nil
	}
	h, err := httpapi.New(httpapi.Config{
		Engine: s.local.engine, Authenticate: s.keys.Authenticate, AccountTypes: types,
		MaxBody: s.cmd.MaxBody, RateLimit: s.cmd.Rate, RateBurst: s.cmd.Burst, Logger: s.local.logger,
	})
	if err != nil {
		return err
	}
	s.api.Store(&api{h, types})
	return nil
}

// accountTypes tells what calls over each carrier show, by the scheme of its URL.
func accountTypes(kinds map[string]string) map[string]string {
	types := map[string]string{}
	for name, scheme := range kinds {
		switch scheme {
		case "sip", "sips":
			types[name] = "sip_trunk"
		case "twilio":
			types[name] = "twilio"
		}
	}
	return types
}

// front has the probes and the carriers beside the API. It compares paths as they are: http.ServeMux
// would redirect some.
func (s *serving) front() http.Handler {
	alive, ready := httpapi.Healthz(), httpapi.Readyz(s.local.engine)
	carriers := callbacks(s.config.Carrier)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
			alive.ServeHTTP(w, r)
		case r.URL.Path == "/readyz":
			ready.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, callbackPath):
			carriers.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Path, "/events"):
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(s.listening, cancel)() //nolint:contextcheck // it is the other one that may end it
			s.api.Load().ServeHTTP(w, r.WithContext(ctx))
		default:
			s.api.Load().ServeHTTP(w, r)
		}
	})
}

// run serves and dials until somebody ends it, or one of the two fails.
func (s *serving) run(ctx context.Context) error {
	defer s.leave()
	caught, release := s.app.signals()
	defer release()
	hangups, ignore := s.app.hangups()
	defer ignore()
	dialling, stop := context.WithCancelCause(ctx) // ends when no new call may be placed
	defer stop(nil)
	working, done := context.WithCancel(ctx) // ends when there is nothing left to wait for
	defer done()
	var work errgroup.Group
	dialled := make(chan struct{})
	work.Go(func() error {
		defer close(dialled)
		return s.dial(dialling, stop)
	})
	work.Go(func() error { return s.answer(stop) })
	var watch sync.WaitGroup
	watch.Go(func() { s.heed(working, caught, stop) })
	watch.Go(func() { s.reloadAt(working, hangups) })
	s.announce()
	<-dialling.Done()
	s.shutdown(dialling, dialled)
	err := work.Wait()
	done()
	watch.Wait()
	return err
}

// dial has the engine dial until ctx ends and then drain.
func (s *serving) dial(ctx context.Context, stop context.CancelCauseFunc) error {
	err := s.local.engine.Run(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrOwned):
		err = fmt.Errorf("the database %s is in use: another outdial serve or run dials from it", s.database)
	default:
		err = fmt.Errorf("dialling: %w", err)
	}
	stop(err)
	return err
}

// answer has the server answer until it is shut down.
func (s *serving) answer(stop context.CancelCauseFunc) error {
	var err error
	if s.certificate != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	err = fmt.Errorf("serving: %w", err)
	stop(err)
	return err
}

// heed stops the dialling at the first signal and the process at the second.
func (s *serving) heed(ctx context.Context, caught <-chan os.Signal, stop context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-caught:
	}
	s.local.logger.Info("stopping: no new calls, those in progress may end; another signal stops at once",
		"drain", s.cmd.Drain)
	stop(errInterrupted)
	select {
	case <-ctx.Done():
	case <-caught:
		s.local.logger.Warn("stopped at once; calls in progress are looked up by the next start, or end as failed")
		s.app.exit(exitNow)
	}
}

// announce says where it listens.
func (s *serving) announce() {
	logger, address := s.local.logger, s.listener.Addr()
	scheme := "http"
	if s.certificate != nil {
		scheme = "https"
	}
	if tcp, ok := address.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && s.certificate == nil {
		logger.Warn("this address can be reached from other machines, and without TLS anybody on the way can read "+
			"API keys and phone numbers: give --tls-cert and --tls-key, or put a proxy that has TLS before it",
			"address", address.String())
	}
	if s.local.store.ownURL() == "" && s.database.url != nil && anyAnswering(s.config.Dialers()) {
		logger.Warn("other processes cannot pass on to this one what a carrier sends to the wrong one: give --node-url")
	}
	logger.Info("listening", "url", scheme+"://"+address.String(), "database", s.database.String())
}

// shutdown ends the answering, while the engine drains. It returns when every request has its answer,
// or has had its time. Where a carrier has to reach this server, it goes on answering until the last
// call is over: one that is answered meanwhile still needs its stream.
func (s *serving) shutdown(dialling context.Context, dialled <-chan struct{}) {
	ctx := context.WithoutCancel(dialling)
	if errors.Is(context.Cause(dialling), errInterrupted) && s.cmd.Notice > 0 {
		wait(ctx, s.cmd.Notice)
	}
	if anyAnswering(s.config.Dialers()) || firstAnswering(s.config.Leaving()) != nil {
		passing, cancel := context.WithTimeout(ctx, s.cmd.Drain)
		<-dialled
		s.local.peers.await(passing)
		cancel()
	}
	s.leave() // or each listener would take all of the time
	ctx, cancel := context.WithTimeout(ctx, s.cmd.Finish)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.local.logger.Warn("requests that took too long were cut off", "error", err)
		s.http.Close()
	}
}
