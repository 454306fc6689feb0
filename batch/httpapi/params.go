package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

// params are the parameters of a query, as strict as bodies are. Each is asked for by what
// it should hold; what is wrong is gathered for err.
type params struct {
	values map[string][]string // of the known ones
	wrong  wrong
}

// The parameters of lists.
const (
	limitParam  = "limit"
	afterParam  = "starting_after"
	beforeParam = "ending_before"
)

// part is which part of a list is asked for.
type part struct {
	after, before string // ids; at most one is set
	limit         int    // 1 to maxLimit
}

const (
	defaultLimit = 10
	maxLimit     = 100
)

// parseParams reads the query of a request. Parameters that are not among known are ignored,
// unless they are one in another case.
func parseParams(r *http.Request, known ...string) *params {
	p := &params{values: map[string][]string{}}
	for rest := r.URL.RawQuery; rest != ""; {
		var pair string
		if pair, rest, _ = strings.Cut(rest, "&"); pair != "" {
			p.take(pair, known)
		}
	}
	return p
}

func (p *params) take(pair string, known []string) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	value, valueErr := url.QueryUnescape(rawValue)
	switch {
	case nameErr != nil || !utf8.ValidString(name) || strings.Contains(rawName, ";"):
		p.wrong.add("query", "expected names in UTF-8, percent-encoded, got %s", short(rawName))
	case valueErr != nil || !utf8.ValidString(value) || strings.Contains(rawValue, ";"):
		p.wrong.add(clip(name, maxName), "expected UTF-8, percent-encoded, with %%3B for ;")
	case !slices.Contains(known, name):
		if m := almost(name, known); m != nil {
			p.wrong.add(m.name, "%s", m.message)
		}
	case value == "":
		p.wrong.add(name, "expected a value, got nothing")
	case strings.Contains(value, "\x00"):
		p.wrong.add(name, "expected no NUL characters")
	default:
		p.values[name] = append(p.values[name], value)
	}
}

// err is everything that was wrong with what was asked for.
func (p *params) err() error { return p.wrong.err() }

// one is the value of a parameter that may be given once.
func (p *params) one(name string) (string, bool) {
	switch values := p.values[name]; {
	case len(values) == 0:
		return "", false
	case len(values) > 1:
		p.wrong.add(name, "expected once, got it %d times", len(values))
		return "", false
	default:
		return values[0], true
	}
}

// text is empty where the parameter is left out.
func (p *params) text(name string) string {
	s, _ := p.one(name)
	return s
}

// time is zero where the parameter is left out.
func (p *params) time(name string) time.Time {
	s, ok := p.one(name)
	if !ok {
		return time.Time{}
	}
	t, err := parseTime(s)
	switch {
	case err == nil:
	case strings.Contains(s, " "):
		p.wrong.add(name, "%v; the + of an offset is written %%2B in a query", err)
	default:
		p.wrong.add(name, "%v", err)
	}
	return t
}

// flag is false where the parameter is left out.
func (p *params) flag(name string) bool {
	s, ok := p.one(name)
	if ok && s != "true" && s != "false" {
		p.wrong.add(name, "expected true or false, got %s", short(s))
	}
	return s == "true"
}

// flagOr is fallback where the parameter is left out.
func (p *params) flagOr(name string, fallback bool) bool {
	if p.values[name] == nil {
		return fallback
	}
	return p.flag(name)
}

// page reads limit, starting_after and ending_before.
func (p *params) page() part {
	pg := part{after: p.text(afterParam), before: p.text(beforeParam), limit: p.limit()}
	if p.values[afterParam] != nil && p.values[beforeParam] != nil {
		p.wrong.add(beforeParam, "expected without "+afterParam)
	}
	return pg
}

func (p *params) limit() int {
	s, ok := p.one(limitParam)
	if !ok {
		return defaultLimit
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit || strconv.Itoa(n) != s {
		p.wrong.add(limitParam, "expected 1 to %d, got %s", maxLimit, short(s))
		return defaultLimit
	}
	return n
}

func (p *params) recipientStatuses(name string) []fsm.RecipientStatus {
	return list(p, name, []fsm.RecipientStatus{
		fsm.Queued, fsm.Dispatched, fsm.Started, fsm.Completed, fsm.Failed, fsm.Cancelled,
	})
}

func (p *params) batchStatuses(name string) []fsm.BatchStatus {
	return list(p, name, []fsm.BatchStatus{
		fsm.BatchPending, fsm.BatchInProgress, fsm.BatchCompleted, fsm.BatchFailed, fsm.BatchCancelled,
	})
}

func (p *params) endReasons(name string) []dialer.EndReason {
	return list(p, name, dialer.EndReasons())
}

// list reads values that may be given with commas between them, in several parameters of
// the same name, or both. Each is returned once.
func list[T comparable](p *params, name string, all []T) []T {
	byName, allNames := map[string]T{}, make([]string, len(all))
	for i, x := range all {
		allNames[i] = fmt.Sprint(x)
		byName[allNames[i]] = x
	}
	var found []T
	for _, value := range p.values[name] {
		for s := range strings.SplitSeq(value, ",") {
			x, ok := byName[s]
			switch {
			case !ok:
				p.wrong.add(name, "expected %s, got %s", oneOf(allNames), short(s))
			case !slices.Contains(found, x):
				found = append(found, x)
			}
		}
	}
	return found
}

func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
