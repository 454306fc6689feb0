// Package remote is a client of the HTTP contract of package batch/httpapi, in terms of the records of
// package store. It knows the contract only, not the code that serves it.
//
// # Repeating
//
// A request whose answer was lost, or that the server could not deal with, is repeated a few times,
// since repeating it does no harm: creating a batch and retrying one carry an Idempotency-Key, and the others
// do nothing more the second time. One that the server puts off with 429 is repeated for longer, when
// Retry-After says.
//
// # What the contract does not tell
//
// Batches and calls come without their organisation, which is the key's. How many recipients of
// a batch failed before a call could be placed is told only where all of them did, or where they are
// read too: otherwise fsm.Counts.Unplaced is Unknown.
package remote
