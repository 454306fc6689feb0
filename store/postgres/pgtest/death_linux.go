package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// diesWithUs has the kernel end the program when we are gone, kill -9 included. SIGINT is
// PostgreSQL's fast shutdown, and PgBouncer's safe one.
func diesWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// children are the processes that a process has started. PostgreSQL's have groups of their own.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var out []int
	for _, path := range stats {
		text, err := os.ReadFile(path) //nolint:gosec // one of /proc
		if err != nil {
			continue // it is over
		}
		// "pid (name) state parent …", where the name may have blanks and brackets.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(pid) {
			child := 0
			if _, err := fmt.Sscan(string(text), &child); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}
