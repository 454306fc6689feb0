// Benchmarks measures outdial beside what a user would take instead, in one interleaved run.
//
//	go run .                        everything
//	go run . -only slots -rounds 3  one measure
//	go run . -short                 everything, with little work
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/measure"
	"github.com/outdial/outdial/benchmarks/internal/report"
)

type options struct {
	Only []string `help:"Measures to run, separated by commas: ${measures}. Default: all." placeholder:"NAME"`

	Rounds int `default:"3" help:"How often each contender is measured. Fewer than 3 give no verdicts."`

	Short bool `help:"Do little work, for a look."`

	Tiny bool `help:"Do hardly any work: only whether everything runs." hidden:""`

	Out string `default:"results" help:"Folder for the results." type:"path"`

	Profiles string `help:"Folder for profiles of each contender, which slow it. Default: none." type:"path"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	kong.Must(&options{}, vars()).FatalIfErrorf(err)
}

func vars() kong.Vars { return kong.Vars{"measures": strings.Join(names(), ", ")} }

// run measures and writes the table to out, also when it is interrupted. The error tells of rows that failed, too.
func run(ctx context.Context, out io.Writer, args []string) (err error) {
	var o options
	parser, err := kong.New(&o, kong.Description("Measures outdial beside what a user would take instead."), vars())
	if err != nil {
		return err
	}
	if _, err := parser.Parse(doubled(args)); err != nil {
		return err
	}
	measures, err := o.measures()
	if err != nil {
		return err
	}
	if err := report.Try(o.Out); err != nil { // now: it would be a pity after half an hour
		return err
	}
	l, err := lab.New(lab.Options{Statements: o.Profiles != "", Careless: o.Tiny})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r, err := o.run(ctx, l, measures)
	fmt.Fprintln(out, "\n"+r.Markdown())
	if err == nil {
		fmt.Fprintln(os.Stderr, "written to", o.Out)
	}
	if failures := r.Failures(); len(failures) > 0 {
		err = errors.Join(err, fmt.Errorf("%d rows failed: %s", len(failures), strings.Join(failures, "; ")))
	}
	return err
}

// doubled spells flags such as -rounds, as the go command has them, with the second dash that kong wants.
func doubled(args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			out[i] = "-" + a
		}
	}
	return out
}

func names() []string {
	var out []string
	for _, m := range measure.All(measure.Tiny) {
		out = append(out, m.Name)
	}
	return out
}

func (o options) size() measure.Size {
	switch {
	case o.Tiny:
		return measure.Tiny
	case o.Short:
		return measure.Short
	default:
		return measure.Full
	}
}

// measures are those that were asked for, in their own order.
func (o options) measures() ([]measure.Measure, error) {
	for _, name := range o.Only {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("-only: there is no measure %q, want one of %s", name, strings.Join(names(), ", "))
		}
	}
	if o.Rounds < 1 {
		return nil, fmt.Errorf("-rounds: %d, want at least 1", o.Rounds)
	}
	all := measure.All(o.size())
	if len(o.Only) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(m measure.Measure) bool { return !slices.Contains(o.Only, m.Name) }), nil
}

// run returns what it has measured, whatever goes wrong.
func (o options) run(ctx context.Context, l *lab.Lab, measures []measure.Measure) (*report.Report, error) {
	r := &report.Report{
		Started: time.Now().UTC().Format("2006-01-02 15:04 MST"), Rounds: o.Rounds, Size: o.size().String(),
	}
	for _, err := range l.Missing(ctx) {
		fmt.Fprintln(os.Stderr, err)
		r.Missing = append(r.Missing, err.Error())
	}
	r.Facts = l.Facts(ctx)
	var unwritten error
	for _, m := range measures {
		res, err := m.Run(ctx, l, measure.Options{Rounds: o.Rounds, Log: os.Stderr, Profiles: o.Profiles})
		if err != nil {
			return r, errors.Join(err, unwritten)
		}
		r.Results = append(r.Results, res)
		if unwritten = r.Write(o.Out); unwritten != nil { // after each: who interrupts the run keeps what was measured
			fmt.Fprintln(os.Stderr, unwritten)
		}
	}
	return r, unwritten
}
