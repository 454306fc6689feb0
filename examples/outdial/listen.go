package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/dialer"
)

// callbackServer answers carriers while run dials. Nil: no carrier is to be answered.
type callbackServer struct {
	http *http.Server
	at   net.Addr
	done chan error
}

// checkListen refuses to begin where calls could be placed and not be heard of.
func (c *runCmd) checkListen(conf *config.Config, p plan) error {
	if c.Listen != "" {
		return nil
	}
	var names []string
	for name, d := range conf.Dialers() {
		mayDial := c.WithOthers || slices.Contains(p.number.Carriers, name)
		if mayDial && isAnswering(d) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return usagef("the carrier %[1]s has to reach this process over HTTP, to say what becomes of its calls: "+
		"give the address to listen at with --listen, such as 127.0.0.1:8080, and have the carrier's public URL "+
		"lead to %[2]s there", strings.Join(names, ", "), callbackPath+url.PathEscape(names[0])+"/")
}

// listen begins to answer the carriers.
func (c *runCmd) listen(ctx context.Context, a *app, conf *config.Config) (*callbackServer, error) {
	if c.Listen == "" {
		return nil, nil //nolint:nilnil // as the type says
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("it cannot listen at %s: %w", c.Listen, err)
	}
	dialers := conf.Dialers()
	h := callbacks(func(name string) []dialer.Dialer { return []dialer.Dialer{dialers[name]} })
	l := &callbackServer{
		http: httpapi.NewServer(h, httpapi.ServerConfig{Logger: a.logger()}), at: listener.Addr(), done: make(chan error, 1),
	}
	go func() { l.done <- l.http.Serve(listener) }()
	a.say("Carriers are answered at http://%s%sNAME/.", listener.Addr(), callbackPath)
	return l, nil
}

// nodeURL is where other processes reach it, if they do.
func (l *callbackServer) nodeURL() string {
	if l == nil {
		return ""
	}
	return nodeURL("", l.at, false)
}

// stop ends the answering. By now every call is over, so what is left is soon done.
func (l *callbackServer) stop(ctx context.Context) error {
	const patience = 5 * time.Second
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := l.http.Shutdown(ctx)
	if err != nil {
		err = l.http.Close()
	}
	if serving := <-l.done; !errors.Is(serving, http.ErrServerClosed) {
		return fmt.Errorf("answering carriers: %w", serving)
	}
	return err
}
