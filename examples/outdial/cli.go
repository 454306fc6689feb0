package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the command line. Kong reads it from the tags.
//
//nolint:lll,tagalign // a tag cannot be broken over lines
type cli struct {
	Config  string `help:"The configuration: organisations, agents, carriers and numbers. Without it, a built-in one whose carrier is an imitation: nobody's phone rings." placeholder:"FILE" type:"path"`
	DB      string `name:"db" help:"The file that keeps batches and calls (default: outdial.db)." placeholder:"FILE" type:"path"`
	Store   string `help:"The PostgreSQL database that keeps them instead of a file. Any number of processes may dial from it together." placeholder:"URL" env:"OUTDIAL_STORE"`
	Org     string `help:"The organisation. Can be left out where the configuration has only one." placeholder:"ID" aliases:"organisation"`
	Server  string `help:"Do it at this server instead of in a database." placeholder:"URL" env:"OUTDIAL_SERVER"`
	APIKey  string `name:"key" help:"The API key for the server. Better set in the environment: others can see the arguments of a process." placeholder:"KEY" env:"OUTDIAL_KEY"`
	JSON    bool   `name:"json" help:"Write one JSON document to the standard output, for programs."`
	Verbose bool   `help:"Say what the engine does, on the standard error output."`

	Run    runCmd    `cmd:"" help:"Dial the recipients of a CSV file."`
	Ls     lsCmd     `cmd:"" help:"List the batches, newest first."`
	Show   showCmd   `cmd:"" help:"Show where a batch stands, and why it waits."`
	Export exportCmd `cmd:"" help:"Write what became of each recipient of a batch, as CSV."`
	Why    whyCmd    `cmd:"" help:"Say why a recipient has not been called yet."`
	Pause  pauseCmd  `cmd:"" help:"Place no new calls of a batch; those in progress go on."`
	Resume resumeCmd `cmd:"" help:"Go on with a paused batch."`
	Target targetCmd `cmd:"" help:"Change how many calls of a batch may be in progress at once."`
	Cancel cancelCmd `cmd:"" help:"Never call the recipients of a batch that are still queued."`
	Retry  retryCmd  `cmd:"" help:"Queue the recipients of a batch again whose call failed."`
	Check  checkCmd  `cmd:"" help:"Check a configuration and say what it has."`
	Serve  serveCmd  `cmd:"" help:"Dial what others ask for over HTTP, until told to stop."`
	Key    keyCmd    `cmd:"" help:"Make an API key for the HTTP interface."`
	Nodes  nodesCmd  `cmd:"" help:"List the processes that dial from a database."`
	Help   helpCmd   `cmd:"" help:"Explain a command."`
}

//go:embed help.txt
var description string

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, e env) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	var c cli
	command, err := parse(&c, args, e)
	if command == nil && err == nil {
		return exitDone // the help was printed
	}
	a := &app{env: e, cli: &c}
	if err == nil {
		a.logAll(a.logger())
		command.BindTo(ctx, (*context.Context)(nil))
		err = command.Run(a)
	}
	a.explain(err)
	return exitCode(err)
}

// exited is panicked with by kong's way out, which would go on parsing otherwise.
type exited struct{}

// parse returns nil without an error where the arguments asked for help.
func parse(c *cli, args []string, e env) (command *kong.Context, err error) {
	parser, err := kong.New(c,
		kong.Name("outdial"),
		kong.Description(strings.TrimSpace(description)),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(int) { panic(exited{}) }),
		kong.ConfigureHelp(kong.HelpOptions{
			Compact: true, NoAppDescFormat: true, FlagsLast: true, WrapUpperBound: 96,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("reading the command line: %w", err)
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exited); !ok {
				panic(r)
			}
			command, err = nil, nil
		}
	}()
	command, err = parser.Parse(args)
	if err != nil {
		return nil, usage(withHint(err))
	}
	return command, nil
}

func withHint(err error) error {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		return fmt.Errorf("%w\n  \"outdial help %s\" explains the command", err, p.Context.Selected().Name)
	}
	return fmt.Errorf("%w\n  \"outdial help\" lists the commands", err)
}

type helpCmd struct {
	Command string `arg:"" help:"The command." optional:""`
}

// Run prints what --help would.
func (h *helpCmd) Run(a *app) error {
	args := []string{"--help"}
	if h.Command != "" {
		args = []string{h.Command, "--help"}
	}
	_, err := parse(&cli{}, args, a.env)
	return err
}
