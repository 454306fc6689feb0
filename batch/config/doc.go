// Package config is a batch.Directory that is read from a YAML file: the
// organisations, agents, carriers and numbers of a program whose tenants do not live
// in a database.
//
//	organisations:
//	  demo: {concurrency_limit: 40, region: EU}
//	agents:
//	  greeter: {organisation: demo, url: "wss://agents.example/greeter"}
//	carriers:
//	  demo: "fake://?answer=0.62&busy=0.1&talk=3s"
//	  trunk: "sips://user:${TRUNK_SECRET}@sip.example?channels=200&cps=20"
//	numbers:
//	  main: {organisation: demo, e164: "+442079460000", carriers: [trunk, demo]}
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
// its file may name.
//
// # Numbers
//
// e164 is required, and so is carriers, in order of preference, but for a number with
// inbound_only: true, which cannot place calls. region is where its batches are
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
// # Mistakes
//
// A file is checked as a whole: [InvalidError] lists every mistake with its line and
// column. It shows neither the values of variables, nor more of a URL than its scheme, nor
// what stands in the place of an API key.
// What YAML offers for repetition (anchors, aliases, merge keys, tags) and more than
// one document in a file are refused.
package config
