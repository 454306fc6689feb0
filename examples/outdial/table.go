package main

import (
	"fmt"
	"io"
	"strings"
)

// statusGroup is a group of outcomes in the table.
type statusGroup struct {
	status   string
	count    int
	share    float64
	outcomes []outcomeJSON
}

func group(outcomes []outcomeJSON) []statusGroup {
	var groups []statusGroup
	for _, o := range outcomes {
		if len(groups) == 0 || groups[len(groups)-1].status != o.Status {
			groups = append(groups, statusGroup{status: o.Status})
		}
		g := &groups[len(groups)-1]
		g.count += o.Count
		g.share += o.Share
		g.outcomes = append(g.outcomes, o)
	}
	return groups
}

// printOutcomes writes how many ended how.
func printOutcomes(w io.Writer, outcomes []outcomeJSON) {
	for _, g := range group(outcomes) {
		printRow(w, g.status, thousands(g.count), percent(g.share), "")
		for _, o := range g.outcomes {
			printOutcome(w, o)
		}
	}
}

func printOutcome(w io.Writer, o outcomeJSON) {
	switch {
	case o.EndReason != "":
		printRow(w, "  "+o.EndReason, thousands(o.Count), percent(o.Share), explainReason(o.EndReason))
		if o.Message != "" {
			printRow(w, "", "", "", o.Message)
		}
	case o.Message != "":
		printRow(w, "", thousands(o.Count), percent(o.Share), o.Message)
	}
}

func printRow(w io.Writer, label, count, share, text string) {
	row := fmt.Sprintf("  %-21s %6s %7s   %s", label, count, share, text)
	fmt.Fprintln(w, strings.TrimRight(row, " "))
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", share*100) }
