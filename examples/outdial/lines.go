package main

import (
	"fmt"
	"io"
	"sync"
)

// lines shows progress where nobody watches: a plain line whenever something has changed.
type lines struct {
	out io.Writer

	mu   sync.Mutex
	last string
}

func (l *lines) draw(p progress) {
	text := fmt.Sprintf("%d of %d done: %s", p.over, p.total, p.now())
	if done := p.done(); done != "" {
		text += "; " + done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if text != l.last {
		l.last = text
		fmt.Fprintln(l.out, text)
	}
}

func (l *lines) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, line)
}

func (l *lines) close() {}
