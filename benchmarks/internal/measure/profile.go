package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/outdial/outdial/benchmarks/internal/lab"
)

// kinds are profiles that Go keeps from the begin of the process on: they are written before and after, and
// go tool pprof -base allocs-before.pprof allocs.pprof has what is between.
//
//nolint:gochecknoglobals // a constant list
var kinds = []string{"allocs", "block", "mutex"}

// How much of what blocks is looked at: every time of that many nanoseconds, and one contended lock of so many.
const (
	blockRate     = 10_000
	mutexFraction = 10
)

// profile writes where a contender's time goes until stop: a folder of the given one, which it makes, has the
// client's profiles, and PostgreSQL's statements. No folder: no profile.
func profile(ctx context.Context, l *lab.Lab, folder, name string) (stop func() error, err error) {
	if folder == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	p := &profiler{root: root, folder: name}
	if err := p.start(ctx, l); err != nil {
		return nil, errors.Join(fmt.Errorf("profiles: %w", err), root.Close())
	}
	return func() error {
		if err := errors.Join(p.stop(ctx, l), root.Close()); err != nil {
			return fmt.Errorf("profiles: %w", err)
		}
		return nil
	}, nil
}

type profiler struct {
	root   *os.Root
	folder string
	cpu    *os.File
}

func (p *profiler) start(ctx context.Context, l *lab.Lab) (err error) {
	if err := p.root.MkdirAll(p.folder, 0o750); err != nil {
		return err
	}
	if err := l.ForgetStatements(ctx); err != nil {
		return err
	}
	runtime.SetBlockProfileRate(blockRate)
	runtime.SetMutexProfileFraction(mutexFraction)
	if err := p.write("-before"); err != nil {
		return err
	}
	if p.cpu, err = p.root.Create(path.Join(p.folder, "cpu.pprof")); err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(p.cpu); err != nil {
		return errors.Join(err, p.cpu.Close())
	}
	return nil
}

func (p *profiler) stop(ctx context.Context, l *lab.Lab) error {
	pprof.StopCPUProfile()
	err := errors.Join(p.cpu.Close(), p.write(""))
	runtime.SetBlockProfileRate(0)
	runtime.SetMutexProfileFraction(0)
	statements, wrong := l.Statements(context.WithoutCancel(ctx))
	if statements != "" && wrong == nil {
		wrong = p.root.WriteFile(path.Join(p.folder, "statements.tsv"), []byte(statements), 0o600)
	}
	return errors.Join(err, wrong)
}

// write writes the profiles that Go keeps.
func (p *profiler) write(suffix string) error {
	for _, kind := range kinds {
		file, err := p.root.Create(path.Join(p.folder, kind+suffix+".pprof"))
		if err != nil {
			return err
		}
		if err := errors.Join(pprof.Lookup(kind).WriteTo(file, 0), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// profileName is that of the folder of a contender's profiles.
func profileName(measure, contender string) string {
	plain := func(r rune) rune {
		if strings.ContainsRune(" ,:/", r) {
			return '_'
		}
		return r
	}
	return measure + "-" + strings.Map(plain, contender)
}
