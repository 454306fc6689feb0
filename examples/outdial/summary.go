package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// kind is what recipients have in common that are counted together.
type kind struct {
	status  string
	reason  dialer.EndReason
	message string
}

// notCalled is the status of those that failed before a call could be placed, set apart
// because nobody's phone rang.
const notCalled = "not called"

// summarise counts recipients by how they ended. The most frequent stand first in their status,
// and the statuses in the order of a recipient's life, last first.
func summarise(recipients []store.Recipient, calls map[string]store.Call) []outcomeJSON {
	counts := map[kind]int{}
	for _, r := range recipients {
		counts[kindOf(r, calls[r.CallID])]++
	}
	var out []outcomeJSON
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b kind) int {
		return cmp.Or(cmp.Compare(rank(a.status), rank(b.status)), cmp.Compare(counts[b], counts[a]),
			cmp.Compare(a.reason, b.reason), cmp.Compare(a.message, b.message))
	}) {
		out = append(out, outcomeJSON{
			Status: k.status, EndReason: string(k.reason), Message: k.message,
			Count: counts[k], Share: float64(counts[k]) / float64(len(recipients)),
		})
	}
	return out
}

func kindOf(r store.Recipient, call store.Call) kind {
	k := kind{status: r.Status.String(), reason: r.EndReason}
	switch {
	case r.Status == fsm.Failed && r.EndReason == "":
		k.status, k.message = notCalled, r.Error
	case r.EndReason == dialer.Error:
		k.message = call.Error
	}
	return k
}

func rank(status string) int {
	return slices.Index([]string{
		fsm.Completed.String(), fsm.Failed.String(), notCalled, fsm.Cancelled.String(),
		fsm.Started.String(), fsm.Dispatched.String(), fsm.Queued.String(),
	}, status)
}

// explainReason says in words what an end reason means.
func explainReason(r string) string {
	return map[dialer.EndReason]string{
		dialer.AgentHangup:        "the agent hung up",
		dialer.ClientHangup:       "the person called hung up",
		dialer.APICancelled:       "somebody cancelled the call",
		dialer.MaxDuration:        "it lasted as long as it may",
		dialer.Inactivity:         "nothing was heard for too long",
		dialer.ClientDisconnected: "the connection broke",
		dialer.DialBusy:           "busy, or refused by the person called",
		dialer.DialFailed:         "the number could not be reached",
		dialer.DialNoAnswer:       "it rang and nobody answered",
		dialer.Error:              "something broke, or the fate of the call is unknown",
	}[dialer.EndReason(r)]
}

// plural is "1 recipient" and "2 recipients".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + one + "s"
}

// thousands is 5,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
