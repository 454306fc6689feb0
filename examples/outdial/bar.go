package main

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar shows progress to somebody who watches: a bar and two lines below it.
type bar struct {
	out      io.Writer
	progress *mpb.Progress
	bar      *mpb.Bar
	latest   atomic.Pointer[progress]
}

func newBar(out io.Writer, total int) *bar {
	b := &bar{out: out, progress: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithRefreshRate(barRefresh))}
	b.latest.Store(&progress{total: total, queued: total})
	b.bar = b.progress.New(int64(total),
		mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
			p := b.latest.Load()
			return fmt.Sprintf("%d of %d done ", p.over, p.total)
		})),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace)),
		mpb.BarBtmExtender(b.line(progress.now), b.line(progress.done)),
	)
	return b
}

func (b *bar) line(text func(progress) string) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		line := []rune("  " + text(*b.latest.Load()))
		if s.AvailableWidth > 0 && len(line) > s.AvailableWidth {
			line = line[:s.AvailableWidth]
		}
		_, err := fmt.Fprintln(w, string(line))
		return err
	})
}

func (b *bar) draw(p progress) {
	b.latest.Store(&p)
	b.bar.SetCurrent(int64(p.over))
}

func (b *bar) say(line string) {
	if _, err := fmt.Fprintln(b.progress, line); err != nil { // the bar is gone
		fmt.Fprintln(b.out, line)
	}
}

// close leaves the last picture standing, also that of a batch which is not over.
func (b *bar) close() {
	b.bar.Abort(false)
	b.progress.Wait()
}
