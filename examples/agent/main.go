package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

func main() {
	addr := flag.String("addr", "localhost:8090", "`address` to serve on")
	say := flag.String("say", "", "WAV `file` to say; none: return what the callee says")
	token := flag.String("token", "", "bearer `token` that a call must bring; none: any may come")
	self := flag.Bool("demo", false, "call the agent once and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, *say, *token, *self)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, say, token string, self bool) error {
	a := &agent{token: token, log: slog.New(slog.NewTextHandler(os.Stdout, nil))}
	if say != "" {
		var err error
		if a.prompt, err = readWAV(say); err != nil {
			return fmt.Errorf("reading %s: %w", say, err)
		}
	}
	if self {
		addr = "localhost:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return a.serve(ctx, listener, self)
}

// agent talks to callees.
type agent struct {
	prompt []byte // mu-law; nil: it returns what it hears
	token  string
	log    *slog.Logger
}

// serve serves until ctx ends, or the demonstration does.
func (a *agent) serve(ctx context.Context, listener net.Listener, self bool) error {
	const headers, drain = 5 * time.Second, 10 * time.Second
	server := &http.Server{Handler: a, ReadHeaderTimeout: headers}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := fmt.Sprintf("ws://%v/", listener.Addr())
	fmt.Printf("serving on %s\n", url)
	var err error
	if self {
		err = demo(ctx, url, a.token)
	} else {
		select {
		case <-ctx.Done():
		case err = <-served:
			return err
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	return errors.Join(err, server.Shutdown(ending))
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	brought := r.Header.Get("Authorization")
	if a.token != "" && subtle.ConstantTimeCompare([]byte(brought), []byte("Bearer "+a.token)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "a token is needed", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	s := &stream{conn: conn, prompt: a.prompt, log: a.log}
	if err := s.talk(r.Context()); err != nil {
		a.log.Warn("the stream ended", "error", err)
		conn.Close(websocket.StatusInternalError, "the agent failed")
		return
	}
	conn.Close(websocket.StatusNormalClosure, "")
}
