package lab

import (
	"cmp"
	"context"
	"os/exec"
	"runtime/debug"
	"strings"
)

// revision is the commit of what is measured: as the program was built from, else of the folder where it runs, since
// go run does not write it into the program.
func revision(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if built := builtFrom(info.Settings); built != "" {
			return built
		}
	}
	commit := git(ctx, "rev-parse", "HEAD")
	if commit != "" && git(ctx, "status", "--porcelain") != "" {
		commit += modified
	}
	return cmp.Or(commit, unknown)
}

const modified = ", and changes since"

func builtFrom(settings []debug.BuildSetting) (commit string) {
	changed := ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = modified
		}
	}
	if commit == "" {
		return ""
	}
	return commit + changed
}

// git is what it answers, empty where there is none or this is no checkout.
func git(ctx context.Context, args ...string) string {
	args = append([]string{"--no-optional-locks"}, args...)
	out, err := exec.CommandContext(ctx, "git", args...).Output() //nolint:gosec // the arguments are those above
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
