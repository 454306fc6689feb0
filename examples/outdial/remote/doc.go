// Package remote is a client of the HTTP contract of package batch/httpapi, in terms of the records of
// package store. It knows the contract only, not the code that serves it.
//
// # Repeating
//
// A request whose answer was lost, or that the server could not deal with, is repeated a few times
// where repeating it does no harm: reading, cancelling, pausing, resuming and changing the target; and
// creating, since that carries an Idempotency-Key. A retry is sent once: a second one would queue
// whoever has failed in between. A request that the server puts off with 429 was not carried out, so
// it is repeated whatever it asks for, when Retry-After says.
//
// # What the contract does not tell
//
// Batches and calls come without their organisation, which is the key's. How many recipients of
// a batch failed before a call could be placed is told only where all of them did, or where they are
// read too: otherwise fsm.Counts.Unplaced is Unknown.
package remote
