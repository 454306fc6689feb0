// Command service is an example of batch calling inside an HTTP service of one's own.
//
//	go run ./examples/service                    # serves on localhost:8080 until Ctrl-C
//	go run ./examples/service -db service.db     # the same, and remembers
//	go run ./examples/service -demo              # calls itself once and ends
//
//	curl localhost:8080/campaigns -d '{"name": "Tuesday", "numbers": ["+442079460001"]}'
//	curl localhost:8080/campaigns/ID
//	curl -X POST localhost:8080/campaigns/ID/cancel
//
// What a host writes is here (opening, running, draining), in store.go (where batches are
// kept), in directory.go (what its tenants may do) and in campaigns.go (its own endpoints). The carrier is a fake one:
// nobody's phone rings.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"

	_ "github.com/outdial/outdial/dialer/fake" // the carrier kind that is opened below
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to serve on")
	db := flag.String("db", "", "`file` to keep batches in; none: they are forgotten")
	self := flag.Bool("demo", false, "call the service once and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *self {
		err = demo(ctx)
	} else {
		err = serve(ctx, *addr, *db, announce)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func announce(url string) error {
	fmt.Printf("serving on %s/campaigns\n", url)
	return nil
}

// serve runs the service until ctx ends, or ready, which is told where it listens, fails.
// Then it takes no more requests, dials nobody else, and waits for the calls in flight.
func serve(ctx context.Context, addr, db string, ready func(url string) error) error {
	s, err := openStore(ctx, db)
	if err != nil {
		return err
	}
	defer s.Close()
	carrier, err := dialer.Open("fake://?answer=0.7&busy=0.3&ring=100ms&talk=300ms&channels=50")
	if err != nil {
		return err
	}
	engine, err := batch.New(batch.Config{
		Store:     s,
		Directory: directory{},
		Dialers:   map[string]dialer.Dialer{"trunk": carrier},
		Logger:    slog.Default(),
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: campaigns{engine}.routes(), ReadHeaderTimeout: 5 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return engine.Run(ctx) })
	group.Go(func() error { return serveUntil(ctx, server, listener) })
	group.Go(func() error { return ready("http://" + listener.Addr().String()) })
	return group.Wait()
}

// serveUntil lets the requests that were begun finish when ctx ends.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := server.Shutdown(ending)
	<-done
	return err
}
