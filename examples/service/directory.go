package main

import (
	"context"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
)

// directory is what a host reads from its own database: here every tenant has the same.
type directory struct{}

func (directory) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: 20, Region: "EU"}, nil
}

func (directory) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	if id != "greeter" {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return dialer.Agent{ID: id, URL: "wss://agents.example/greeter"}, nil
}

func (directory) Number(_ context.Context, _, id string) (batch.Number, error) {
	if id != "main" {
		return batch.Number{}, batch.ErrNotFound
	}
	return batch.Number{E164: "+442079460000", Carriers: []string{"trunk"}}, nil
}
