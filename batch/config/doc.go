// Package config is a batch.Directory that is read from a YAML file: the
// organisations, agents, carriers and numbers of a program whose tenants do not live
// in a database.
//
//	organisations:
//	  demo: {concurrency_limit: 40, region: EU}
//	agents:
//	  greeter: {organisation: demo, url: "wss://agents.example/greeter"}
//	guard: {allow: [GB, US, CA]}
//	carriers:
//	  demo: "fake://?answer=0.62&busy=0.1&talk=3s"
//	  trunk: "sips://user:${TRUNK_SECRET}@sip.example?channels=200&cps=20"
//	  backup: {url: "sip://192.0.2.7?channels=30", guard: {allow: [GB], hourly: 50}}
//	numbers:
//	  main: {organisation: demo, e164: "+442079460000", carriers: [trunk, backup]}
//	  trial: {organisation: demo, e164: "+442079460001", carriers: {trunk: 9, backup: 1}}
//
// # Organisations
//
// concurrency_limit is required and at least 1: the most calls in flight at once. region is
// US, EU or APAC; left out, US. usage_exceeded: true refuses new batches. api_keys is a list of
// those who may use the HTTP interface for the organisation, each sha256: and the 64 hex
// digits of the key's SHA-256, as outdial key prints it. The keys themselves do not belong
// in the file.
//
// # Agents
//
// url is where the media of a call goes, a ws:// or wss:// URL; it may be left out where
// the carrier needs none. An agent and a number belong to an organisation, which
// may be left out where the file has only one.
//
// # Carriers
//
// A carrier is a URL, opened by dialer.Open, so the program imports the carrier kinds that
// its file may name. Written as a mapping, it has url and may have a guard of its own.
// Two Twilio carriers cannot have one public URL, and two SIP carriers not one port of one address to listen at.
//
// A carrier that is opened by its URL tells slog.Default what its operator has to know.
//
// # The guard
//
// Every carrier but those of the kind fake is guarded against toll fraud by package guard, which
// says what is never called. allow is required: a list of countries by their ISO 3166-1 codes and of
// prefixes such as +44 and +1212. hourly is the most calls an hour to one block of numbers (left out, 200;
// none: no limit), and block how many last digits such numbers differ in (left out, 3). guard at the top of
// the file is for every carrier; what a carrier's own leaves out is as there. A carrier with guard: off has none.
//
// The hourly calls are counted once for the whole file, over all guarded carriers and organisations, and the count
// goes on when the file is read again, whatever it says then. Each process counts for itself,
// so several nodes have as many times the limit, and a new process begins at none.
//
// A recipient whom no guard in the file lets through ends as failed with the reason, without any carrier being asked,
// also one that has no guard. What one carrier's own rules do not allow and another's do goes on over that
// one, if the number has it.
//
// # Numbers
//
// e164 is required, and so is carriers, but for a number with inbound_only: true, which cannot place
// calls. A list is in order of preference; a mapping gives each carrier a weight, at least 1, and they share the
// calls by that. region is where its batches are
// dialled; left out, the organisation's. any_region: true lets a request name the
// region. channels is how many channels of the carrier one call holds; left out, 1.
//
// # Environment
//
// ${NAME} in a value is the environment variable NAME, and $$ is a dollar. A variable
// that is not set, or empty, is a mistake. Values are replaced after the file has been
// parsed, so they cannot add to it. In a carrier's URL a reference that stands before the
// @ or behind the ? is percent-encoded, so a password may have any characters; elsewhere
// it is taken as it is, so a variable may also hold a host with its port, or the whole
// URL. In flow style, inside braces, a value with a reference needs quotes.
//
// # Reading the file again
//
// [Open] returns a [Live], whose Reload reads the file again while calls are in flight. What it says
// then applies to the next call and the next request. A Twilio carrier that is not in it any more goes on passing on
// what Twilio sends for calls of other processes, for as long as there may be any.
//
// # Mistakes
//
// A file is checked as a whole: [InvalidError] lists every mistake with its line and
// column. It shows neither the values of variables, nor more of a URL than its scheme, nor
// what stands in the place of an API key.
// What YAML offers for repetition (anchors, aliases, merge keys, tags) and more than
// one document in a file are refused.
package config
