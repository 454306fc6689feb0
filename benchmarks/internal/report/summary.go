package report

import (
	"fmt"
	"strings"
)

// Summary is the table for readers in a hurry: a line or two of each measure, and whether the goals were met.
func (r *Report) Summary() string {
	var b strings.Builder
	b.WriteString("| measure | memory | SQLite | PostgreSQL | beside it | goal | verdict |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, res := range r.Results {
		for _, l := range res.Lines {
			b.WriteString(l.markdown())
		}
	}
	return b.String()
}

func (l Line) markdown() string {
	cells := []string{l.Text}
	for _, store := range []string{"memory", "SQLite", "PostgreSQL"} {
		if cell, ok := l.Ours[store]; ok {
			cells = append(cells, cell)
		} else {
			cells = append(cells, "")
		}
	}
	cells = append(cells, strings.Join(l.Others, "; "), l.Goal, l.verdict())
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// verdict is met only where all goals are.
func (l Line) verdict() string {
	var parts []string
	if l.Met == l.Goals {
		parts = append(parts, "met")
	}
	if len(l.Missed) > 0 {
		parts = append(parts, fmt.Sprintf("**missed** %d of %d: %s", len(l.Missed), l.Goals, strings.Join(l.Missed, "; ")))
	}
	if len(l.Close) > 0 {
		parts = append(parts, WithinNoise+": "+strings.Join(l.Close, "; "))
	}
	if l.Unmeasured > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d not measured", l.Unmeasured, l.Goals))
	}
	if l.Unjudged > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d not judged, of too few rounds", l.Unjudged, l.Goals))
	}
	return strings.Join(parts, "; ")
}
