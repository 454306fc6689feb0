package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// primary is the part of a result code that says what kind of error it is; the rest
// says which of its kind.
const primary = 0xff

func isCode(err error, code int) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&primary == code
}

// isBusy says that another connection has the lock that was asked for.
func isBusy(err error) bool { return isCode(err, lib.SQLITE_BUSY) }

// isIOError says that the disk has failed, and what was to be synced may be lost.
func isIOError(err error) bool { return isCode(err, lib.SQLITE_IOERR) }

func isNotDatabase(err error) bool { return isCode(err, lib.SQLITE_NOTADB) }
