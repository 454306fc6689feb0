// Package dialer is the seam between the engine and a carrier: something that can
// place one phone call and say how it ended.
//
// A carrier kind implements [Dialer], one method. Two optional interfaces add to it:
// [Resumer], for carriers whose calls outlive this process, and [Limiter], for
// carriers that admit only so many calls. The engine finds them by type assertion
// once, when it is made; a dialer that wraps another must forward both.
//
// The suite in package dialertest checks a dialer against every rule written here.
//
// # Carriers by URL
//
// A carrier is named by a URL, as database/sql users name a database, so that
// swapping one is a change of configuration: [Open] finds the opener for the URL's
// scheme, which a carrier package registers from its init function. [URLMux] is the
// same without the process-wide table.
//
// # Phone numbers
//
// [Phone] is a string that hides its middle digits from fmt and slog, so that a
// number cannot reach a log by accident. Convert it to a string to use it.
package dialer
