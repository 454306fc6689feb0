package main

import (
	"errors"
	"fmt"

	"github.com/outdial/outdial/batch"
)

// The exit codes. They are documented in the package comment and in the help.
const (
	exitDone        = 0
	exitFailed      = 1   // something broke, or not one call could be placed
	exitUsage       = 2   // the command line, the configuration or the file cannot be used
	exitInterrupted = 3   // recipients are left; the same command goes on with them
	exitCancelled   = 4   // the batch was cancelled, so some were never called
	exitNow         = 130 // interrupted twice, as shells number it
)

// exitError is an error that says with which code the program ends. Any other error ends
// it with exitFailed.
type exitError struct {
	code int
	err  error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{code: exitUsage, err: err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func exitCode(err error) int {
	var e *exitError
	var invalid *batch.InvalidError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &invalid), refused(err):
		return exitUsage
	}
	return exitFailed
}
