// Package store is the seam between the engine and durable storage: the records, and
// the [Store] that keeps them.
//
// The rows are the truth. What the engine holds in memory only saves it from asking:
// each claim and each transition of a call is checked again by the store, inside
// the transaction that makes it, so several nodes over one store, a node that was taken
// for dead, or a node that runs with yesterday's limits cannot break a promise.
//
// # Vocabulary
//
// An organisation owns batches; a batch has recipients, numbered from 0 in the order
// of the request, which is the order of dialling; an attempt to reach a recipient is a
// call. A call is in flight from the moment it is claimed until its end is
// written. The node that claimed it is its owner.
//
// Every key begins with the organisation, and every method but [Store.Active],
// [Store.Heartbeat], [Store.Adopt] and [Store.Nodes] touches one organisation only.
//
// # Revisions
//
// Each organisation has a counter of changes. A transaction that changes rows of the
// organisation gives each row that it changes, batch or recipient, a next number of
// its own, the batch's last. "What changed after N" is therefore a complete and
// repeatable question, without a log of changes: see [RecipientQuery].ByRev. A change
// of a call alone (its carrier and the id there, when it rang, that it shall be ended) is one
// of its batch, not of its recipient; a new owner is none, nor is a RetryKey by itself.
//
// # Times
//
// Times are in UTC with whole microseconds, which is what the engine hands over, and a
// store returns them as it got them. A zero time means that it has not happened. A store
// has no clock of its own but for the leases of nodes.
//
// # Writing a store
//
// Implement the twelve methods, then run storetest.Test over it: the suite has one
// subtest for each rule in this package. store/memory is the shortest example.
package store
