package report

import (
	"fmt"
	"slices"
	"strings"
)

// Markdown writes the report for people.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks of outdial, beside its peers and floors\n\n")
	fmt.Fprintf(&b, "Run of %s: %d interleaved rounds, sizes: %s. ", r.Started, r.Rounds, r.Size)
	b.WriteString("Figures are medians, with the least and the most of the rounds in brackets. ")
	b.WriteString("Goals are worked out within each round; their median decides, and what is met or missed by less than ")
	b.WriteString("the rounds lie apart is said to be within the noise.\n\n")
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, f.Value)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "- missing: %s\n", m)
	}
	for _, f := range r.Failures() {
		fmt.Fprintf(&b, "- **failed**: %s\n", strings.ReplaceAll(f, "\n", " "))
	}
	b.WriteString("\n## Summary\n\n" + r.Summary())
	for _, res := range r.Results {
		b.WriteString("\n")
		b.WriteString(res.Markdown())
	}
	return b.String()
}

// Markdown writes one measure.
func (r *Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", r.Title, r.Work)
	b.WriteString("| contender | durability |")
	for _, m := range r.Metrics {
		fmt.Fprintf(&b, " %s |", named(m))
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(r.Metrics)) + "\n")
	for _, row := range r.Rows {
		b.WriteString(r.line(row))
	}
	r.writeNotes(&b)
	for i, v := range r.Verdicts {
		if i == 0 {
			b.WriteString("\n| goal | reached | |\n|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", v.Goal, v.Got, v.word())
	}
	return b.String()
}

func (r *Result) line(row *Row) string {
	name := row.Name
	if row.Settings != "" {
		name += " (" + row.Settings + ")"
	}
	cells := []string{name, row.Durability}
	for _, m := range r.Metrics {
		s, ok := row.Stat(m.Key)
		switch {
		case row.Failed != "":
			cells = append(cells, "failed")
		case !ok:
			cells = append(cells, "–")
		case s.Min == s.Max:
			cells = append(cells, Number(s.Median, m.Digits))
		default:
			cells = append(cells, fmt.Sprintf("%s (%s to %s)",
				Number(s.Median, m.Digits), Number(s.Min, m.Digits), Number(s.Max, m.Digits)))
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func (r *Result) writeNotes(b *strings.Builder) {
	notes := r.Notes
	for _, row := range r.Rows {
		if wrong := row.Missing + row.Failed; wrong != "" {
			notes = append(slices.Clip(notes), row.Name+": "+wrong)
		}
	}
	for i, n := range notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "- %s\n", strings.ReplaceAll(n, "\n", " "))
	}
}

func named(m Metric) string {
	if m.Unit == "" {
		return m.Name
	}
	return m.Name + ", " + m.Unit
}

func (v Verdict) word() string {
	word := "**missed**"
	switch {
	case !v.Measured:
		return "not measured"
	case !v.Judged():
		return fmt.Sprintf("not judged: of %d rounds, want %d", v.Rounds, LeastRounds)
	case v.Met:
		word = "met"
	}
	if v.Close {
		word += ", " + WithinNoise
	}
	return word
}
