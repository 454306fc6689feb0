// Command outdial places outbound phone calls in batches, from a CSV file.
//
//	go run ./examples/outdial run examples/outdial/recipients.csv
//
// needs nothing set up: without --config it uses a built-in configuration whose carrier is
// an imitation, so nobody's phone rings. With --config it dials over the carriers of a
// file that package batch/config describes.
//
// # Commands
//
//	outdial run FILE         dial everybody in the file
//	outdial ls               list the batches, newest first
//	outdial show BATCH       where a batch stands, and why it waits
//	outdial export BATCH     what became of each recipient, as CSV
//	outdial why RECIPIENT    why a recipient has not been called yet
//	outdial pause BATCH      place no new calls
//	outdial resume BATCH     go on
//	outdial target BATCH N   change how many calls may be in progress at once
//	outdial cancel BATCH     never call those that are still queued
//	outdial retry BATCH      queue those again whose call failed
//	outdial check CONFIG     check a configuration and say what it has
//	outdial serve            dial what others ask for over HTTP
//	outdial key              make an API key for that
//	outdial nodes            list the processes that dial
//	outdial help COMMAND     explain a command
//
// A BATCH is named by its id, by the first few characters of it, or by the word last.
// Everything but run also works from a second terminal while run is going.
//
// # The file
//
// Package csvfile describes it. The column to_number has the numbers, in E.164 format, and
// every other column becomes metadata, which the agent gets. A file is read as a whole
// before anybody is called, and every problem in it is told at once, with its line. A
// number without + is refused unless --plus says that only the + is missing.
//
// # Stopping and going on
//
// Every step is written to the database (--db) before the carrier hears of it, so run can be
// stopped at any moment, by kill -9 too: the same command finds its batch again, by a
// fingerprint of the recipients, their metadata, the organisation, the agent and the number,
// and goes on where it stopped. Nobody is called twice. A call that was in progress when the
// process was killed, and that its carrier does not know any more, ends as failed.
//
// If the batch is over already, run prints its table again and calls nobody. With --again
// it calls everybody once more, in a new batch; if that is stopped, the same command
// goes on with it, with --again or without. Only where a run with --again came to its end
// does one more --again begin one more batch.
//
// The engine dials every open batch of its database. So that correcting a file between two
// runs cannot call anybody twice, run refuses to begin while other batches of the
// database have recipients to dial; --with-others allows it.
//
// Ctrl-C and SIGTERM stop the dialling and let the calls in progress end; a second one
// ends the process at once. Only one process at a time dials from a database that is a file: another
// one that is started meanwhile waits, and its batch is dialled by the first.
//
// # Several processes
//
// With --store URL, or OUTDIAL_STORE in the environment, batches and calls are kept in a PostgreSQL database
// instead of a file. outdial run and outdial serve make its tables, in the schema outdial; the other commands only
// look. Any number of processes, on any machines, may then dial from it together, over the same batches: give them
// the same configuration. The limits of organisations and batches hold over all of them, and the channels and the
// pace of a carrier are shared between those that have it. Each serve answers for every batch, so a load balancer
// may stand before them. outdial nodes lists those that live, with what each has of which carrier.
//
// A process that dies is missed when its lease has run out (--lease): the others then take its calls over, and go
// on with those that their carrier can tell about. A carrier that calls back, as Twilio does, may reach any of
// them: what is about a call of another one is passed on to that, as the database says who has the call, audio
// too. It goes to the address that the other one listens at, or to --node-url, which is required where that is every
// address of the machine, and with TLS. This way the audio of a call passes through two processes; where
// each has a public URL of its own, by a reference to its environment in the configuration, it does not. Between the
// processes, http:// is not encrypted.
//
// No output has the password of the URL. In the environment, other users of the machine do not see it either.
//
// # Serving
//
// outdial serve is the HTTP interface of package batch/httpapi, the engine and the database in one
// process, until SIGTERM or Ctrl-C. Beside the interface it answers /healthz, which says that the process
// lives, and /readyz, which says why it cannot dial if it cannot. It then begins no call, answers
// what has been asked, waits for calls in progress (--drain) and ends with 0; a second signal ends
// it at once. What is left goes on when it is started again, after a kill -9 too.
//
// With --config it serves the organisations of the file, for the keys whose hashes the file has under
// api_keys; outdial key makes a key with its hash. Without, it serves the built-in
// configuration for one key. Its start writes the line OUTDIAL_KEY=… to the standard output, once; the
// key is kept in a file beside the database, with -key behind its name, which nobody else may
// read, so that clients go on after a restart. The standard error output has the log, in which
// phone numbers are never whole.
//
// SIGHUP has it read the configuration again. What it says applies to the next call and the next request, API
// keys included: calls in progress go on over the carrier where they began, which is closed when the last
// of them is over. The log says what has changed. A file with a mistake changes nothing; the log has
// every mistake.
//
// # Carriers that call back
//
// Twilio tells over HTTP what becomes of its calls, and connects them to their agents. serve answers it
// at /carriers/NAME/, where NAME is the carrier's in the configuration: the public URL of the carrier
// has to lead there. No API key is asked for, since the carrier signs what it sends. When it is told to stop,
// serve goes on answering until the last call is over. outdial run does the same at the address that --listen gives,
// which is required where the batch's number has such a carrier.
//
// # Checking a configuration
//
// outdial check reads a configuration as serve would, tells every mistake with its line, or else what the
// file has, without secrets. It opens every carrier for that and calls nobody; a carrier that listens at a fixed
// port cannot be opened while another process listens there. With --probe it asks all carriers at once
// whether they would take calls, and ends with 1 if one would not.
//
// # At a server
//
// With --server URL, or OUTDIAL_SERVER in the environment, every other command works over that interface
// instead of a database, with the key in OUTDIAL_KEY: the same output, the same exit codes. Only
// these differ. A server does not tell its nodes. run needs --agent and --from, since the server's configuration is not
// known here, and has no --dry-run. It follows what the server does; Ctrl-C leaves the batch to the
// server, which goes on, and the same command follows it again. It finds the batch of an
// earlier run by its recipients, and creates it under an Idempotency-Key, so that no
// lost answer and no second start can call anybody twice. In JSON, batches have no organisation, and
// failed_before_a_call only where the server tells.
//
// # Output
//
// The standard output has results only: the table, or with --json one JSON document, or with
// --out - the CSV. Everything else is said on the standard error output: a progress bar if
// somebody watches, otherwise a plain line every few seconds. A JSON document has the
// members that apply of batch, batches, outcomes, refusals, waiting, recipients, plan, check, file, key, nodes, note
// and error; names are in snake_case and times are RFC 3339 in UTC. Whole phone numbers stand in
// results only (--out, export), nowhere else.
//
// The exit code is 0 when the batch is over; 1 when something failed, or not one call could
// be placed; 2 when the command line, the configuration or the file cannot be used, and
// nobody was called; 3 when recipients are left; 4 when the batch was cancelled; and 130
// when the process was interrupted twice.
//
// # The numbers in recipients.csv
//
// The people are invented, and the numbers belong to nobody: they are from ranges that are
// kept free for films, books and examples. Each * is one digit.
//
//	+1 area code 555 01**               North America: NANPA, in every area code
//	+44 20 7946 0***, 1632 960***,      United Kingdom: Ofcom's numbers for drama
//	  7700 900***, and 496 0*** behind
//	  121, 161, 141, 131, 113 and 117
//	+353 20 91*****                     Ireland: ComReg's numbering conventions, drama use
//	+61 2 and 3, 5550 **** and          Australia: ACMA's numbers for creative works
//	  7010 ****; 491 570 006, 110, 156 to 159
//	+33 1 99 00 ****, 6 39 98 ****      France: ARCEP's numbering plan, section 2.5.12
//	+49 30 23125***, 40 66969***,       Germany: Bundesnetzagentur, notice 148/2021
//	  69 90009***, 89 99998***
//	+46 8 465 004**, 31 390 06**,       Sweden: PTS's numbers for books and films
//	  70 174 06 05 to 99
//
// None of this is a reason to dial them: another network may read a number differently.
package main
