// Package sqlite keeps batches in one SQLite file: durable storage for one dialling
// process, without a server and without cgo.
//
// # Durability
//
// The file is in write-ahead mode with synchronous=FULL: what a method has acknowledged
// survives kill -9 and a power cut. After an I/O error or on a full disk the writes that were
// under way fail, nothing of them is half there, and the next ones open the file again, so
// the store is back as soon as the disk is. After a sync that has failed the system may show for good what
// never reached the disk, so the first write of each connection writes the log that it has found again
// before it commits: up to 16 MB, as a rule nothing. Not for network filesystems.
//
// # One writer, group commit
//
// All writes go through one goroutine with one connection. Writes of several callers that
// wait at the same time (organisations, creations, changes) share one transaction, each in
// a savepoint of its own, so one sync of the disk answers them all, while an error or a
// panic of one undoes its part only. A caller whose context ends is answered at
// once; its write, if it was begun, is whole or undone all the same. Reads have their own
// connections, never wait for the writer, and see the file as of one moment each.
//
// The write-ahead log is copied into the database beside the writer, once it has 16 MB. What was written meanwhile the
// writer copies between two groups, a few hundred pages at most, and begins the log anew. So commits wait a
// millisecond or two now and then, instead of for all of it. A reader that stays for long keeps the log from being
// begun anew: it grows until that is over.
//
// Heartbeats go before all other writes, so a lease does not run out because many organisations write: one waits for
// the write that is under way and for the commit of its group.
//
// Writers of other processes take turns with this one. Who finds the file locked for 5
// seconds gets an error and has written nothing.
//
// # One dialling node
//
// Any number of processes may have the file open to create, read, cancel and so on. One
// node at a time dials: [Store.Heartbeat] takes an exclusive lock, which is held in a file
// beside the database, with -owner behind its name, until the lease is given up, the
// Store is closed or the process is gone, kill -9 included. Everybody else gets
// store.ErrOwned. Never delete that file while the database is in use.
//
//   - A lease that runs out ends the node: it gets store.ErrNotOwner from then on, and
//     the next node of the same Store may take over. The lock stays with the process, where
//     calls may still be up, so other processes have to wait for it to close or die.
//   - The lease is measured by this process's monotonic clock. While the lock is held nobody
//     can have taken over, so setting the wall clock ends no lease. The file has the
//     wall-clock time of its end as well, for [Store.Nodes] of other processes; after a kill
//     they may see the node until then, or until another one dials.
//   - Who has the lock knows that every other node is gone: it ends their leases, and
//     [Store.Adopt] adopts their calls at once, without waiting, whatever the node's carriers.
//   - A lease is not bound to the Store that took it: a node whose lease runs goes on after
//     the file was closed and opened again.
//
// When a node takes the lock, the counters of what is open are checked against the rows of
// calls in flight, and repaired and logged where they differ.
//
// # What it costs
//
// A step touches the rows of its calls, two of each, and the rows of the batches that it
// names, whatever is queued: a claim walks the batch from the first recipient that was never
// claimed, and an index has those that were queued again, in the order of their turns. Lists are walks over an index.
// A time bounds the ids of calls, which tell when they were made; those whose ids do not, which store.NewCallIDs
// never makes, are looked at one by one. The calls of an agent are looked for among the nearest thousand of
// everybody, and then in the agent's batches. A page of batches costs what is on it, whatever it is filtered by;
// only batches whose ids are in another order than their times, which store.NewBatchID never makes, are
// looked at one by one where a time is asked for.
//
// Four reads run at once, two of one organisation: the others of it wait, so that it cannot
// keep everybody else waiting.
package sqlite
