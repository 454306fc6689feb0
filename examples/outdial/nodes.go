package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

type nodesCmd struct{}

// nodeJSON is a process that dials.
type nodeJSON struct {
	ID        string            `json:"id"`
	Regions   []string          `json:"regions"` // empty: all
	Carriers  []nodeCarrierJSON `json:"carriers"`
	StartedAt time.Time         `json:"started_at"`
	ExpiresAt time.Time         `json:"lease_expires_at"`
	Left      float64           `json:"lease_left_seconds"`
	Lapsed    bool              `json:"lapsed,omitempty"` // its lease is over, and not all of its calls were taken over
	URL       string            `json:"url,omitempty"`    // where the others reach it
}

type nodeCarrierJSON struct {
	Name  string   `json:"name"`
	Share *float64 `json:"share,omitempty"` // of its channels and pace, from 0 to 1; a node does not always say
}

// Run lists the nodes.
func (c *nodesCmd) Run(ctx context.Context, a *app) error {
	if a.cli.Server != "" {
		return usagef("a server does not tell its nodes: leave out --server (or OUTDIAL_SERVER), and name its database")
	}
	nodes, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	list := []nodeJSON{}
	for _, n := range nodes {
		list = append(list, nodeOf(n, a.now()))
	}
	if a.cli.JSON {
		a.printJSON(document{Nodes: &list})
		return nil
	}
	a.printNodes(list)
	return nil
}

// nodes are those whose lease runs or that have left calls behind, the oldest first. They belong to no organisation, so
// no configuration is needed.
func (a *app) nodes(ctx context.Context) (nodes []reachedNode, err error) {
	d, err := a.database()
	if err == nil {
		err = d.exists()
	}
	if err != nil {
		return nil, err
	}
	st, err := d.asItIs().open(ctx, a.logger())
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, st.Close()) }()
	if nodes, err = st.reached(ctx); err != nil {
		return nil, fmt.Errorf("reading the nodes: %w", err)
	}
	slices.SortFunc(nodes, func(a, b reachedNode) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.ID, b.ID))
	})
	return nodes, nil
}

func nodeOf(n reachedNode, now time.Time) nodeJSON {
	const millionths = 1e6
	out := nodeJSON{
		ID: n.ID, Regions: append([]string{}, n.Regions...), Carriers: []nodeCarrierJSON{},
		StartedAt: n.StartedAt.UTC(), ExpiresAt: n.ExpiresAt.UTC(), Left: max(n.ExpiresAt.Sub(now), 0).Seconds(),
		Lapsed: n.Lapsed, URL: n.url,
	}
	for i, name := range n.Carriers {
		carrier := nodeCarrierJSON{Name: name}
		if i < len(n.Shares) {
			share := float64(n.Shares[i]) / millionths
			carrier.Share = &share
		}
		out.Carriers = append(out.Carriers, carrier)
	}
	return out
}

func (a *app) printNodes(nodes []nodeJSON) {
	if len(nodes) == 0 {
		a.say("Nothing dials from this database.")
		return
	}
	const format = "%-37s  %-19s  %10s  %-8s  %s\n"
	a.print(format, "NODE", "SINCE (UTC)", "LEASE LEFT", "REGIONS", "CARRIERS, AND ITS SHARE OF THEM")
	for _, n := range nodes {
		left := fmt.Sprintf("%.1fs", n.Left)
		if n.Lapsed {
			left = "over"
		}
		a.print(format, n.ID, n.StartedAt.Format(time.DateTime), left, n.regions(), n.carriers())
	}
}

func (n nodeJSON) regions() string {
	if len(n.Regions) == 0 {
		return "all"
	}
	return strings.Join(n.Regions, ",")
}

func (n nodeJSON) carriers() string {
	var all []string
	for _, c := range n.Carriers {
		text := printable(c.Name)
		if c.Share != nil {
			text += " " + percent(*c.Share)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
