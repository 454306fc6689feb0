package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// logSuffix is what the name of the write-ahead log has behind that of the database.
const logSuffix = "-wal"

// logFile is the write-ahead log as a file.
type logFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

func openLog(path string) (logFile, error) {
	return os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the host's path, with a suffix
}

// The format of the log: https://sqlite.org/fileformat2.html#the_write_ahead_log
const (
	logHeader   = 32
	frameHeader = 24

	headerPageSize, headerSalt = 8, 16
	frameSalt                  = 8
	saltSize                   = 8

	minPage, maxPage = 512, 65536
)

// settleLog makes the log durable that an earlier connection, or process, has left. After a sync
// that has failed the system may hold in memory what will never be on the disk, and call it clean: the next sync
// succeeds and writes nothing. A commit that failed so is there for whoever opens the file anew after a
// kill, and what is committed behind it would be lost with it when the power goes. So the log is written
// again, as it is read, and synced, before anything is. The caller has the lock for writing.
func settleLog(log logFile) error {
	header := make([]byte, logHeader)
	if n, err := log.ReadAt(header, 0); n < logHeader {
		return unlessShort(err)
	}
	page := int(binary.BigEndian.Uint32(header[headerPageSize:]))
	if page < minPage || page > maxPage {
		return nil // no log has begun, or its header is torn: nobody will read it
	}
	salt := header[headerSalt : headerSalt+saltSize]
	if _, err := log.WriteAt(header, 0); err != nil {
		return err
	}
	const frames = 64 // at once
	size := frameHeader + page
	chunk := make([]byte, frames*size)
	for at := int64(logHeader); ; {
		n, err := log.ReadAt(chunk, at)
		if err := unlessShort(err); err != nil {
			return err
		}
		n = current(chunk[:n], size, salt)
		if n == 0 {
			break
		}
		if _, err := log.WriteAt(chunk[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return log.Sync()
}

func unlessShort(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// current returns the length of the frames that belong to this log. What follows them is of an
// earlier one, under another salt.
func current(frames []byte, size int, salt []byte) int {
	n := 0
	for n+size <= len(frames) && bytes.Equal(frames[n+frameSalt:n+frameSalt+saltSize], salt) {
		n += size
	}
	return n
}

// settle is done once by each connection that writes.
func (w *writer) settle() (err error) {
	if w.settled {
		return nil
	}
	log, err := w.openLog(w.path + logSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("open the log: %w", err)
	default:
		if err := errors.Join(settleLog(log), log.Close()); err != nil {
			return fmt.Errorf("write the log again: %w", err)
		}
	}
	w.settled = true
	return nil
}
