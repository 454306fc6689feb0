package main

import (
	"context"
	"errors"
	"os"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
)

// reloadAt reads the configuration again at every signal, until ctx ends.
func (s *serving) reloadAt(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			s.reload() //nolint:contextcheck // the requests bring their own
		}
	}
}

// reload reads the configuration again. What it says applies to the next request and the next call; a file
// with a mistake changes nothing.
func (s *serving) reload() {
	live, ok := s.config.(*config.Live)
	if !ok {
		s.local.logger.Warn("there is no configuration file that could be read again")
		return
	}
	changes, err := live.Reload(func(dialers map[string]dialer.Dialer) (<-chan struct{}, error) {
		s.local.peers.join(dialers)
		return s.local.engine.SetDialers(dialers)
	})
	if err != nil {
		s.tellMistakes(err)
		return
	}
	keys := live.APIKeys()
	if err := errors.Join(s.keys.Replace(keys), s.renewAPI()); err != nil {
		s.local.logger.Error("the HTTP interface goes on with what the configuration said before", "error", err)
	}
	if len(keys) == 0 {
		s.local.logger.Warn("no organisation of the configuration has api_keys any more, so nobody can use the server")
	}
	s.local.logger.Info("the configuration was read again", "changed", changes.String())
}

// tellMistakes has a line in the log for each.
func (s *serving) tellMistakes(err error) {
	invalid, ok := errors.AsType[*config.InvalidError](err)
	if !ok {
		s.local.logger.Error("the configuration cannot be read again, and what it said goes on to hold", "error", err)
		return
	}
	for _, m := range invalid.Mistakes {
		s.local.logger.Error("a mistake in the configuration", "file", invalid.File, "line", m.Line, "column", m.Column,
			"path", m.Path, "mistake", m.Message)
	}
	s.local.logger.Error("the configuration was not taken, and what it said before goes on to hold",
		"mistakes", len(invalid.Mistakes))
}
