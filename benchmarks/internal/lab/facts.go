package lab

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/outdial/outdial/benchmarks/internal/report"
)

// Facts are what figures depend on: the machine, the versions and the settings of servers.
func (l *Lab) Facts(ctx context.Context) []report.Fact {
	facts := []report.Fact{
		{Name: "machine", Value: fmt.Sprintf("%d CPUs, %s, %s memory; clients and servers share it",
			runtime.NumCPU(), field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"))},
		{Name: "system", Value: fmt.Sprintf("%s/%s, kernel %s", runtime.GOOS, runtime.GOARCH, line("/proc/sys/kernel/osrelease"))},
		{Name: "file system of the data", Value: fileSystem(ctx, l.folder)},
		{Name: "load before the run", Value: line("/proc/loadavg")},
		{Name: "Go", Value: fmt.Sprintf("%s, GOMAXPROCS %d", runtime.Version(), runtime.GOMAXPROCS(0))},
		{Name: "modules", Value: modules()},
	}
	if s, err := l.Postgres(ctx); err == nil {
		facts = append(facts, report.Fact{Name: "PostgreSQL", Value: settings(ctx, s.URL("postgres"))})
	}
	if r, err := l.Redis(ctx, false); err == nil {
		facts = append(facts, report.Fact{Name: "Redis", Value: r.Version + ", default settings (a snapshot now and then, " +
			"no append-only file); a second one with appendonly yes and appendfsync always"})
	}
	return facts
}

// modules lists the versions of what is compared and of what it runs on.
func modules() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var out []string
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/riverqueue/river", "github.com/hibiken/asynq", "modernc.org/sqlite",
			"github.com/jackc/pgx/v5", "github.com/looplab/fsm", "golang.org/x/sync":
			out = append(out, m.Path+" "+m.Version)
		}
	}
	return strings.Join(out, ", ")
}

func settings(ctx context.Context, url string) string {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(ctx)
	var out []string
	for _, name := range []string{
		"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size",
	} {
		var value string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return err.Error()
		}
		if name == "server_version" {
			out = append(out, value)
			continue
		}
		out = append(out, name+" "+value)
	}
	return strings.Join(out, ", ")
}

// field is the value behind a name in a file such as /proc/cpuinfo.
func field(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// line is the first line of a file.
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

func fileSystem(ctx context.Context, folder string) string {
	text, err := exec.CommandContext(ctx, "stat", "-f", "-c", "%T", folder).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
