package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// The chart's measures, in pixels.
const (
	chartWidth = 960
	labelWidth = 360
	barSpace   = 380 // the longest bar
	lineHeight = 24
	barHeight  = 15
	titleSpace = 46
	margin     = 16
)

// SVG draws the first metric of each measure that has peers, or of all where none has, as bars: the median, and a
// line from the least to the most of the rounds. Colours hold on light and dark ground.
func (r *Report) SVG() string {
	var body strings.Builder
	y := margin
	compared := slices.DeleteFunc(slices.Clone(r.Results), func(res *Result) bool { return !res.hasPeers() })
	if len(compared) == 0 {
		compared = r.Results
	}
	for _, res := range compared {
		y += res.draw(&body, y)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" `,
		chartWidth, y+margin, chartWidth, y+margin)
	b.WriteString(`role="img" aria-label="Benchmarks of outdial beside its peers" font-family="sans-serif">` + "\n")
	b.WriteString(`<style>
text { font-size: 13px; fill: #1f2328 }
.title { font-size: 15px; font-weight: bold }
.unit { fill: #59636e }
.ours { fill: #1a7f37 } .peer { fill: #8c959f } .floor { fill: #54aeff }
.range { stroke: #cf222e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .unit { fill: #9198a1 } }
</style>
`)
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// draw adds the measure's bars below y and returns their height; 0 where there is nothing to draw.
func (r *Result) draw(b *strings.Builder, y int) int {
	if len(r.Metrics) == 0 {
		return 0
	}
	m, most := r.Metrics[0], 0.0
	for _, row := range r.Rows {
		if s, ok := row.Stat(m.Key); ok {
			most = max(most, s.Max)
		}
	}
	if most <= 0 {
		return 0
	}
	fmt.Fprintf(b, `<text class="title" x="%d" y="%d">%s</text>`, margin, y+lineHeight-6, html.EscapeString(r.Title))
	fmt.Fprintf(b, `<text class="unit" x="%d" y="%d">%s</text>`+"\n",
		margin, y+lineHeight+11, html.EscapeString(named(m)+better(m)))
	at := y + titleSpace
	for _, row := range r.Rows {
		if s, ok := row.Stat(m.Key); ok {
			drawBar(b, at, row, s, m, most)
			at += lineHeight
		}
	}
	return at - y + lineHeight
}

func drawBar(b *strings.Builder, y int, row *Row, s Stat, m Metric, most float64) {
	length := func(v float64) float64 { return math.Max(1, barSpace*v/most) }
	middle := y + barHeight/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`,
		labelWidth, y+barHeight-3, html.EscapeString(row.Name))
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`,
		kind(row.Name), labelWidth+8, y, length(s.Median), barHeight)
	if s.Min != s.Max {
		fmt.Fprintf(b, `<line class="range" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`,
			labelWidth+8+length(s.Min), labelWidth+8+length(s.Max), middle, middle)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text><text class="unit" x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
		labelWidth+16+length(s.Max), y+barHeight-3, Number(s.Median, m.Digits),
		chartWidth-margin, y+barHeight-3, html.EscapeString(short(row.Durability)))
}

// better says which way is.
func better(m Metric) string {
	if m.Less {
		return " (shorter bars are better)"
	}
	return " (longer bars are better)"
}

func (r *Result) hasPeers() bool {
	return slices.ContainsFunc(r.Rows, func(row *Row) bool { return kind(row.Name) == "peer" })
}

// kind is the colour of a bar.
func kind(name string) string {
	switch {
	case strings.HasPrefix(name, "outdial"):
		return "ours"
	case strings.HasPrefix(name, "floor"):
		return "floor"
	default:
		return "peer"
	}
}

// short is a durability in a word or two, up to its first comma.
func short(durability string) string {
	word, _, _ := strings.Cut(durability, ",")
	return word
}
