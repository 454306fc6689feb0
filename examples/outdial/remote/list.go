package remote

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// pageSize is the most that the contract gives at once.
const pageSize = 100

// list goes through a list of the contract's, page by page.
func list[T any](ctx context.Context, c *Client, what string, q url.Values, segments ...string) iter.Seq2[T, error] {
	q = maps.Clone(q)
	if q == nil {
		q = url.Values{}
	}
	q.Set("limit", strconv.Itoa(pageSize))
	return func(yield func(T, error) bool) {
		for {
			var page struct {
				Data     []T    `json:"data"`
				NextPage string `json:"next_page"`
				HasMore  bool   `json:"has_more"`
			}
			err := c.do(ctx, call{method: http.MethodGet, url: c.at(q, segments...), read: into(&page)})
			if err != nil {
				var none T
				yield(none, fmt.Errorf("reading %s: %w", what, err))
				return
			}
			for _, x := range page.Data {
				if !yield(x, nil) {
					return
				}
			}
			if !page.HasMore || page.NextPage == "" || page.NextPage == q.Get("starting_after") {
				return
			}
			q.Set("starting_after", page.NextPage)
		}
	}
}
