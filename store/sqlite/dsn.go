package sqlite

import (
	"net/url"
	"path/filepath"
	"strings"
)

// What every connection sets. synchronous=FULL is what makes "durable when it returns"
// true through a power cut: NORMAL may roll back commits that were acknowledged, and with
// them the record that somebody was called. A read through mmap turns an I/O error
// into a signal that kills the process.
func commonPragmas() []string {
	return []string{"busy_timeout(5000)", "synchronous(FULL)", "mmap_size(0)", "trusted_schema(OFF)"}
}

// writerDSN names the file for the one connection that writes. temp_store keeps the
// journals of savepoints in memory. Commits copy the log into the database themselves only where the checkpointer
// did not for 64 MB; the limit gives the disk back after a burst.
func writerDSN(path string) string {
	return dsn(path, append(commonPragmas(),
		"temp_store(MEMORY)", "cache_size(-16384)", "wal_autocheckpoint(16000)", "journal_size_limit(67108864)"))
}

// checkpointDSN is for a connection that has no use for a cache: what it copies comes from the log.
func checkpointDSN(path string) string {
	return dsn(path, append(commonPragmas(), "cache_size(-64)"))
}

func readerDSN(path string) string {
	return dsn(path, append(commonPragmas(), "cache_size(-4096)", "query_only(ON)"))
}

// lockDSN has no busy_timeout: who does not get the lock at once is not to wait for it.
func lockDSN(path string) string {
	return dsn(path, []string{"busy_timeout(0)"})
}

// dsn escapes the path, since ?, # and % mean something in a URI. "Defensive" and no
// double-quoted strings keep a mistake in a statement from doing damage.
func dsn(path string, pragmas []string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/calls.db
	}
	u := url.URL{Scheme: "file", Path: slashed, OmitHost: true}
	query := url.Values{"_pragma": pragmas, "_dqs": {"0"}, "_defensive": {"1"}, "_txlock": {"immediate"}}
	u.RawQuery = query.Encode()
	return u.String()
}
