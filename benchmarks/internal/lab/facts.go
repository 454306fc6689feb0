package lab

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
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
			runtime.NumCPU(), field("cpuinfo", "model name"), field("meminfo", "MemTotal"))},
		{Name: "system", Value: fmt.Sprintf("%s/%s, kernel %s", runtime.GOOS, runtime.GOARCH, line("sys/kernel/osrelease"))},
		{Name: "file system of the data", Value: fileSystem(l.folder)},
		{Name: "load before the run", Value: line("loadavg")},
		{Name: "Go", Value: fmt.Sprintf("%s, GOMAXPROCS %d", runtime.Version(), runtime.GOMAXPROCS(0))},
		{Name: "outdial", Value: revision(ctx)},
		{Name: "modules", Value: modules()},
	}
	if s, err := l.Postgres(ctx); err == nil {
		if l.options.Statements {
			facts = append(facts, report.Fact{
				Name: "profiles", Value: "PostgreSQL counts its statements, and the clients are profiled",
			})
		}
		facts = append(facts, report.Fact{Name: "PostgreSQL", Value: settings(ctx, s.URL("postgres"))})
	}
	for _, always := range []bool{false, true} {
		if r, err := l.Redis(ctx, always); err == nil {
			facts = append(facts, report.Fact{Name: redisNames[always], Value: redisFact(ctx, r)})
		}
	}
	return facts
}

//nolint:gochecknoglobals // a constant map
var redisNames = map[bool]string{false: "Redis", true: "Redis, AOF always"}

func redisFact(ctx context.Context, r *Redis) string {
	settings, err := r.Settings(ctx)
	if err != nil {
		return err.Error()
	}
	return r.Version + ", " + settings
}

// modules lists the versions of what is compared and of what it runs on.
func modules() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
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
		"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "commit_delay",
		"shared_buffers", "max_wal_size", "checkpoint_timeout", "autovacuum",
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

// proc is what the kernel tells, where there is such a file system.
func proc(name string) string {
	text, err := fs.ReadFile(os.DirFS("/proc"), name)
	if err != nil {
		return ""
	}
	return string(text)
}

const unknown = "unknown"

// field is the value behind a name in a file such as cpuinfo.
func field(file, name string) string {
	for text := range strings.Lines(proc(file)) {
		if key, value, ok := strings.Cut(text, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// line is the first line of a file.
func line(file string) string {
	first, _, _ := strings.Cut(proc(file), "\n")
	return cmp.Or(first, unknown)
}

// fileSystem is the kind of that which the folder is on: the mount whose path is the longest above it.
func fileSystem(folder string) string {
	kind, longest := unknown, 0
	for text := range strings.Lines(proc("self/mounts")) {
		f := strings.Fields(text) // device, path, kind and more
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if strings.HasPrefix(folder+"/", strings.TrimSuffix(f[1], "/")+"/") {
			kind, longest = f[2], len(f[1])
		}
	}
	return kind
}
