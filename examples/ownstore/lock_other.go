//go:build !unix

package main

import (
	"errors"
	"os"
)

// lock refuses to work where it cannot keep a second process out.
func lock(*os.File) error { return errors.New("files cannot be locked on this system") }
