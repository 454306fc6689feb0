// Package fsm holds the two lifecycles of outdial: what a recipient and a batch
// may become, and by which event.
//
// Each lifecycle is defined once, as a github.com/looplab/fsm machine. At
// start-up the definition is checked (every status reachable, no way out of a
// terminal status but a retry) and compiled to a table by driving the looplab
// machine through every pair of status and event. The hot path uses the table:
// a transition is one array lookup, needs no lock and retains nothing, while a
// looplab machine for each of 5,000 recipients would retain about 1 kB apiece.
// The machine stays the definition, the table is what it says.
//
// The machines have no callbacks on purpose. A durable status is changed by the
// store, in one transaction; a callback would run before or after it, and looplab
// reports an error of an enter_ callback only when the change has been made.
//
// The status of a batch is not stored but derived from the counts of its
// recipients ([Counts.BatchStatus]). The tests drive the batch machine and the
// derivation through every sequence of events and find them equal.
//
// Everything in this package is safe for concurrent use.
package fsm
