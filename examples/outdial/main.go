package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], env{
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		tty:     isTerminal(os.Stdout) && isTerminal(os.Stderr),
		now:     time.Now,
		signals: signals,
		hangups: hangups,
		exit:    os.Exit,
		logAll:  slog.SetDefault,
		pace:    3 * time.Second,
	}))
}

// isTerminal says whether a bar can be drawn there. A terminal that does not know its own size
// would show none.
func isTerminal(f *os.File) bool {
	width, height, err := term.GetSize(int(f.Fd()))
	return err == nil && width > 0 && height > 0
}

// env is what the program is given by the system, so that tests can give it something else.
type env struct {
	stdin  io.Reader
	stdout io.Writer // results only: what one would pipe into another program
	stderr io.Writer // everything that is said meanwhile
	tty    bool      // somebody watches: a bar can be drawn
	now    func() time.Time
	pace   time.Duration      // how often to say how it goes where there is no bar
	exit   func(code int)     // ends the process on the spot
	logAll func(*slog.Logger) // has those write to a log who are given none: carriers that are opened by their URLs

	// signals begins to catch Ctrl-C and SIGTERM, until stop is called. Before, they end the
	// process, as is right for a command that dials nobody.
	signals func() (caught <-chan os.Signal, stop func())

	// hangups does the same for SIGHUP.
	hangups func() (caught <-chan os.Signal, stop func())
}

func signals() (<-chan os.Signal, func()) {
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	return caught, func() { signal.Stop(caught) }
}

func hangups() (<-chan os.Signal, func()) {
	caught := make(chan os.Signal, 1) // one that waits stands for as many as come meanwhile
	signal.Notify(caught, syscall.SIGHUP)
	return caught, func() { signal.Stop(caught) }
}
