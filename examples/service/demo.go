package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

var errDone = errors.New("done")

// demo starts the service on a free port, runs one campaign as a client would, cancels
// another, and ends.
func demo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := serve(ctx, "localhost:0", "", func(url string) error {
		if err := drive(ctx, client{url}); err != nil {
			return err
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

func drive(ctx context.Context, c client) error {
	first, err := c.create(ctx, "Tuesday", 30)
	for shown := (campaign{}); err == nil && !first.Over; first, err = c.later(ctx, first.ID) {
		if first != shown {
			fmt.Printf("%s: %d waiting, %d calling, %d reached, %d missed\n",
				first.Name, first.Waiting, first.Calling, first.Reached, first.Missed)
		}
		shown = first
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s is over: %d reached, %d missed\n", first.Name, first.Reached, first.Missed)
	second, err := c.create(ctx, "Wednesday", 100)
	if err != nil {
		return err
	}
	second, err = c.do(ctx, http.MethodPost, "/campaigns/"+second.ID+"/cancel", nil)
	if err != nil {
		return err
	}
	fmt.Printf("%s is cancelled: %d are not called\n", second.Name, second.Cancelled)
	return nil
}

// client is of the service, not of the library.
type client struct{ url string }

func (c client) create(ctx context.Context, name string, people int) (campaign, error) {
	numbers := make([]string, people)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("+442079461%03d", i)
	}
	return c.do(ctx, http.MethodPost, "/campaigns", map[string]any{"name": name, "numbers": numbers})
}

// later asks again after a moment.
func (c client) later(ctx context.Context, id string) (campaign, error) {
	const moment = 100 * time.Millisecond
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return campaign{}, ctx.Err()
	case <-t.C:
		return c.do(ctx, http.MethodGet, "/campaigns/"+id, nil)
	}
}

func (c client) do(ctx context.Context, method, path string, body any) (campaign, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return campaign{}, err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(text))
	if err != nil {
		return campaign{}, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return campaign{}, err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		var p problem
		json.NewDecoder(res.Body).Decode(&p)
		return campaign{}, fmt.Errorf("%s %s: %s: %s %v", method, path, res.Status, p.Error, p.Fields)
	}
	var answer campaign
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer, err
}
