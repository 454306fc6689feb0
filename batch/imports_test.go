package batch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/outdial/outdial"

// What a package must not link, under the reason that a failure gives. An entry stands for
// the packages below it too.
type reasons map[string]string

func carrierKinds() reasons {
	return reasons{
		module + "/dialer/fake":   "the host picks its carriers",
		module + "/dialer/sip":    "a host without a SIP trunk must not link a SIP stack",
		module + "/dialer/twilio": "a host without Twilio must not link a client of it",
	}
}

func databases() reasons {
	return reasons{
		module + "/store/sqlite":   "the host picks its store",
		module + "/store/postgres": "the host picks its store",
		"database/sql":             "a host that keeps its batches elsewhere must not link it",
		"modernc.org/sqlite":       "a whole database of several megabytes, for hosts that want that one only",
		"github.com/jackc/pgx/v5":  "a host that keeps its batches elsewhere must not link it",
	}
}

func web() reasons {
	return reasons{
		module + "/batch/httpapi": "the host mounts it where it wants one",
		"net/http":                "a host without a web server must not link one",
	}
}

func program() reasons {
	return reasons{
		module + "/batch/config":       "a host with a Directory of its own reads no file",
		"github.com/goccy/go-yaml":     "a host with a Directory of its own reads no YAML",
		"github.com/alecthomas/kong":   "a library has no command line",
		"github.com/vbauerster/mpb/v8": "a library does not draw",
		"golang.org/x/term":            "a library does not know a terminal",
	}
}

func testCode() reasons {
	return reasons{
		module + "/dialer/dialertest":          "a suite is for tests",
		module + "/store/storetest":            "a suite is for tests",
		module + "/batch/httpapi/contracttest": "a suite is for tests",
		module + "/store/postgres/pgtest":      "it starts servers for tests",
		module + "/dialer/twilio/twiliotest":   "it stands in for Twilio in tests",
		"testing":                              "it is for tests",
		"github.com/stretchr/testify":          "it is for tests",
		"go.uber.org/goleak":                   "it is for tests",
		"pgregory.net/rapid":                   "it is for tests",
		"github.com/getkin/kin-openapi":        "it is for tests",
		"github.com/oapi-codegen/runtime":      "it is for a client in a test",
	}
}

func suites() reasons {
	return reasons{
		module + "/dialer/dialertest":          "a suite is for tests",
		module + "/store/storetest":            "a suite is for tests",
		module + "/batch/httpapi/contracttest": "a suite is for tests",
	}
}

func engine() reasons {
	return reasons{module + "/batch": "arrows point down: what the engine uses does not know it"}
}

func outside() reasons {
	return reasons{
		"github.com/stretchr/testify": "hosts run the suites with the standard library alone",
		"go.uber.org/goleak":          "hosts run the suites with the standard library alone",
		"pgregory.net/rapid":          "hosts run the suites with the standard library alone",
		"github.com/goccy/go-yaml":    "hosts run the suites with the standard library alone",
		"modernc.org/sqlite":          "a suite knows no backend",
	}
}

// A rule is about everything that its packages link, directly or not.
type rule struct {
	name      string
	roots     []string
	ours      []string // of this module, all that may be linked besides the roots
	forbidden []reasons
	excused   reasons // linked all the same, and why
}

// identifiers excuses what is linked for the sake of UUIDs that a database could read.
func identifiers() reasons {
	return reasons{"database/sql/driver": "github.com/google/uuid has its interfaces, which bring no database"}
}

func rules() []rule {
	library := []reasons{carrierKinds(), databases(), web(), program(), testCode()}
	return []rule{
		{
			name:      "a host with its own carriers and memory",
			roots:     []string{"batch", "store/memory"},
			ours:      []string{"store", "dialer", "fsm"},
			forbidden: library,
		},
		{name: "lifecycles", roots: []string{"fsm"}, forbidden: append(library, engine())},
		{name: "carrier seam", roots: []string{"dialer"}, forbidden: append(library, engine(), reasons{
			"github.com/looplab/fsm": "fsm alone knows it",
		})},
		{
			name: "storage seam", roots: []string{"store"}, ours: []string{"fsm", "dialer"},
			forbidden: append(library, engine()),
		},
		{
			name: "memory store", roots: []string{"store/memory"}, ours: []string{"store", "fsm", "dialer"},
			forbidden: append(library, engine()),
		},
		{
			name: "SQLite store", roots: []string{"store/sqlite"},
			ours:      []string{"store", "fsm", "dialer", "store/internal/reasons", "store/internal/migrations", "store/internal/callids"},
			forbidden: []reasons{carrierKinds(), web(), suites(), engine()},
		},
		{
			name: "PostgreSQL store", roots: []string{"store/postgres"},
			ours:      []string{"store", "fsm", "dialer", "store/internal/reasons", "store/internal/migrations", "store/internal/callids"},
			forbidden: []reasons{carrierKinds(), web(), suites(), engine()},
		},
		{
			name: "servers of PostgreSQL for tests", roots: []string{"store/postgres/pgtest"},
			forbidden: []reasons{carrierKinds(), web(), engine(), outside()},
		},
		{
			name: "guard against toll fraud", roots: []string{"dialer/guard"}, ours: []string{"dialer"},
			forbidden: []reasons{carrierKinds(), databases(), web(), program(), testCode(), engine()},
		},
		{
			name: "fake carrier", roots: []string{"dialer/fake"}, ours: []string{"dialer"},
			forbidden: []reasons{databases(), web(), testCode(), engine()},
		},
		{
			name: "suite for carriers", roots: []string{"dialer/dialertest"}, ours: []string{"dialer"},
			forbidden: []reasons{carrierKinds(), databases(), engine(), outside()},
		},
		{
			name: "suite for stores", roots: []string{"store/storetest"}, ours: []string{"store", "fsm", "dialer"},
			forbidden: []reasons{carrierKinds(), databases(), engine(), outside()},
		},
		{
			name: "config file", roots: []string{"batch/config"},
			ours:      []string{"batch", "store", "fsm", "dialer", "dialer/guard"},
			forbidden: []reasons{carrierKinds(), databases(), web(), testCode()},
		},
		{
			name: "CSV files", roots: []string{"batch/csvfile"}, ours: []string{"store", "fsm", "dialer"}, forbidden: library,
		},
		{
			name: "HTTP", roots: []string{"batch/httpapi"}, ours: []string{"batch", "batch/csvfile", "store", "fsm", "dialer"},
			forbidden: []reasons{carrierKinds(), databases(), program(), testCode()}, excused: identifiers(),
		},
		{
			name: "suite for servers", roots: []string{"batch/httpapi/contracttest"},
			forbidden: []reasons{carrierKinds(), databases(), outside()},
		},
		{
			// It speaks to agents over WebSockets, so it links net/http.
			name: "SIP trunk", roots: []string{"dialer/sip", "dialer/sip/media", "dialer/sip/bridge"}, ours: []string{"dialer"},
			forbidden: []reasons{databases(), program(), testCode(), engine()}, excused: identifiers(),
		},
		{
			name: "Twilio", roots: []string{"dialer/twilio"}, ours: []string{"dialer"},
			forbidden: []reasons{databases(), program(), testCode(), engine()},
		},
	}
}

func TestImportRules(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			g := linked(t, r.roots)
			for _, pkg := range slices.Sorted(maps.Keys(g)) {
				for _, why := range r.broken(pkg) {
					t.Errorf("%s: %s\n\t%s", pkg, why, strings.Join(g.chain(r.roots, pkg), "\n\timports "))
				}
			}
		})
	}
}

// A rule about a package that is not there any more would hold for ever.
func TestForbiddenPackagesExist(t *testing.T) {
	named := map[string]bool{}
	for _, r := range rules() {
		for _, f := range r.forbidden {
			for pkg := range f {
				named[pkg] = true
			}
		}
	}
	missing := missingOf(t, slices.Sorted(maps.Keys(named)))
	for pkg := range named {
		if missing[pkg] {
			t.Errorf("%s is forbidden, but does not exist: has it moved?", pkg)
		}
	}
}

// broken tells why a rule does not allow a package.
func (r rule) broken(pkg string) []string {
	var why []string
	rel, ours := strings.CutPrefix(pkg, module+"/")
	if ours && !slices.Contains(r.roots, rel) && !slices.Contains(r.ours, rel) && !r.below(rel) {
		why = append(why, "the layout has no arrow to it from "+strings.Join(r.roots, " or "))
	}
	for _, f := range r.forbidden {
		for _, root := range slices.Sorted(maps.Keys(f)) {
			if within(pkg, root) && r.excused[pkg] == "" {
				why = append(why, f[root])
			}
		}
	}
	return why
}

// below says that a package is an internal one of a root.
func (r rule) below(rel string) bool {
	return slices.ContainsFunc(r.roots, func(root string) bool { return strings.HasPrefix(rel, root+"/internal/") })
}

// graph is what each package imports.
type graph map[string][]string

// linked asks the go command for everything that the packages link.
func linked(t *testing.T, roots []string) graph {
	t.Helper()
	g := graph{}
	for _, p := range list(t, append([]string{"-deps"}, absolute(roots)...)) {
		require.Empty(t, p.Error, p.ImportPath)
		g[p.ImportPath] = p.Imports
	}
	return g
}

func absolute(roots []string) []string {
	paths := make([]string, len(roots))
	for i, r := range roots {
		paths[i] = module + "/" + r
	}
	return paths
}

// chain is the shortest way by which the roots come to link a package.
func (g graph) chain(roots []string, pkg string) []string {
	ways := [][]string{}
	for _, r := range absolute(roots) {
		ways = append(ways, []string{r})
	}
	seen := map[string]bool{}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		last := way[len(way)-1]
		if last == pkg {
			return way
		}
		for _, next := range g[last] {
			if !seen[next] {
				seen[next] = true
				ways = append(ways, append(slices.Clone(way), next))
			}
		}
	}
	return []string{pkg}
}

// missingOf tells which of the packages are not there. A module need not have a package at its
// root, so the packages below count as well.
func missingOf(t *testing.T, pkgs []string) map[string]bool {
	t.Helper()
	args := []string{"-e"}
	missing := map[string]bool{}
	for _, pkg := range pkgs {
		args = append(args, pkg, pkg+"/...")
		missing[pkg] = true
	}
	for _, p := range list(t, args) {
		for _, pkg := range pkgs {
			if p.Error == nil && within(p.ImportPath, pkg) {
				missing[pkg] = false
			}
		}
	}
	return missing
}

func within(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

// listed is what is asked of the go command about a package.
type listed struct {
	ImportPath string
	Imports    []string
	Error      *struct{ Err string }
}

func list(t *testing.T, args []string) []listed {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Imports,Error"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), &stderr)
	packages, err := decode(out)
	require.NoError(t, err)
	return packages
}

func decode(out []byte) ([]listed, error) {
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		packages = append(packages, p)
	}
}
