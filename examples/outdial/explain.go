package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/csvfile"
)

// mostProblems are shown to a person; --json has all of them.
const mostProblems = 50

// fileError is a file that cannot be dialled as it is.
type fileError struct {
	name     string
	problems []csvfile.Problem
	plus     bool // --plus was given
}

func (e *fileError) Error() string {
	n := len(e.problems)
	if n == 1 {
		return fmt.Sprintf("%s cannot be dialled: %v", e.name, e.problems[0])
	}
	return fmt.Sprintf("%s cannot be dialled: it has %d problems", e.name, n)
}

// explain tells why the command failed.
func (a *app) explain(err error) {
	var silent *exitError
	if err == nil || (errors.As(err, &silent) && silent.err == nil) {
		return
	}
	if a.cli.JSON {
		a.printJSON(document{Error: errorJSON(err)})
		return
	}
	if file, ok := errors.AsType[*fileError](err); ok {
		a.explainFile(file)
		return
	}
	if invalid, ok := errors.AsType[*batch.InvalidError](err); ok {
		a.say("outdial: this cannot be done, and nobody was called:")
		for _, f := range invalid.Fields {
			a.say("  %s: %s", flagOf(f.Path), f.Message)
		}
		return
	}
	a.say("outdial: %v", err)
}

func (a *app) explainFile(e *fileError) {
	a.say("outdial: %s cannot be dialled as it is, and nobody was called:", e.name)
	a.list(e.problems)
	codes, skippable := map[csvfile.Code]int{}, true
	for _, p := range e.problems {
		codes[p.Code]++
		skippable = skippable && p.Code.Skippable() && p.Line > 1
	}
	if codes[csvfile.CodeNoPlus] > 0 && !e.plus {
		a.say("If every number of the file has its country code and lacks only the +, --plus adds it.")
	}
	if skippable {
		a.say("--skip-bad dials the file without these rows.")
	}
}

// list shows problems, each with its line.
func (a *app) list(problems []csvfile.Problem) {
	for i, p := range problems {
		if i == mostProblems {
			a.say("  and %d more; --json lists them all", len(problems)-mostProblems)
			return
		}
		a.say("  %v", p)
	}
}

var recipientPath = regexp.MustCompile(`^recipients\[(\d+)\]\.?(.*)$`)

// flagOf names a field of a request as somebody at the command line knows it.
func flagOf(path string) string {
	if m := recipientPath.FindStringSubmatch(path); m != nil {
		n, _ := strconv.Atoi(m[1])
		return fmt.Sprintf("recipient %d, %s", n+1, m[2])
	}
	flags := map[string]string{
		"name": "--name", "agent_id": "--agent", "from_number_id": "--from", "region": "--region",
		"target_concurrency_limit": "--target", "ringing_timeout_seconds": "--ring-timeout",
		"max_call_duration_minutes": "--max-duration", "scheduled_at": "--scheduled-at", "weight": "--weight",
	}
	if flag, ok := flags[path]; ok {
		return flag
	}
	return path
}
