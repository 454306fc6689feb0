// Package postgres keeps batches in a PostgreSQL database (13 or newer): durable storage for any number of
// processes and dialling nodes at once.
//
// # Several nodes
//
// Whoever writes to an organisation locks its row first, and looks at leases, limits and owners behind
// that lock. So claims, changes and cancels of one organisation happen one after the other, over all nodes, and no
// organisation waits for another. Within a process those who want the same organisation queue before
// they take a connection, so that it cannot use up the pool. All that read (Batch, Batches, Call, Calls, Recipients)
// leave a quarter of the connections, and at least two of three or more, to what keeps a node dialling.
//
// A URL may name several servers, of which the one that takes writes is used, after a failover too; a standby must be
// a synchronous one, see SCALING.md.
//
// Leases run by the database's clock (clock_timestamp): this package never asks its own process for
// the time. A node whose lease has run out when its step is begun writes nothing. Keep the clocks of a primary and its
// standbys together, as for anything else: after a failover it is the new primary's that counts.
//
// # Durability, and commits whose answer is lost
//
// What a method has acknowledged is committed as durably as the database is set up to commit;
// synchronous_commit = off is overruled for the store's own transactions, the stronger settings are left
// alone. Where the answer to a commit is lost, the error says no more than that: see store.Store for what
// may be repeated. A repetition never overtakes what it repeats: a step of two round trips has the lock before its
// second one, which commits, is sent, and one of a single trip comes to nothing once the organisation has another
// revision.
// Transactions that the database undoes for the sake of others (40001, 40P01), or because what this process knew has
// turned out wrong (22012), are run again unasked.
//
// Each transaction says itself how it is isolated, what it may wait for (Config.Timeout: for a statement and
// a client that has gone silent; for a lock a second at a time, so that others have the connection in between) and
// which plans it wants, whatever the defaults of database and role are. How soon the server notices a client that has
// gone silent in the middle of a step depends on its version, see SCALING.md. All of it ends with the transaction.
// So the store works behind PgBouncer in transaction mode (see Config.NoPrepare) and over a pool that
// it shares with its host.
//
// # The schema
//
// [Open] makes and updates the tables, under a lock, so that many processes may start at once; a host with
// a migrator of its own takes the SQL from [Migrations]. A migration that finds a table in use, as by pg_dump, gets
// out of the way of the nodes that are dialling and tries again, for a minute or Config.Timeout, whichever is longer.
// A process of an older version that is running goes on when a newer one has migrated, if the migration left
// usable what it knows. Each migration notes from which version on that is so, in schema_versions.usable_from: one
// of these versions may also start then, an older one gets store.ErrNewerSchema. The fourth migration leaves nothing
// usable to older versions: stop their processes before it runs. What a process of theirs that goes on asks of
// recipients or calls fails, and changes nothing.
//
// Texts are columns of bytes, which can hold NUL and bytes that are no UTF-8, and whose order no
// collation decides. To read them in psql: SET bytea_output = 'escape'. Metadata is kept byte for byte.
//
// Every key begins with a number that is made of the organisation's id, and no statement of the hot path names two
// organisations, so the tables can be distributed by that column, all alike. nodes is the exception, which is small
// and has one row for each start of an engine that dialled, or that was within the last day. SCALING.md beside this
// file says which versions and failovers were tried, and what stands between this package and databases that shard.
//
// # What it costs
//
// A step is one round trip and one commit, whatever it ends and claims, and two where others write to the organisation
// or something that it needs is not known. A call in flight is a row of flights, the only one that its claim writes;
// its end moves it to calls, whose rows never change, and rewrites its recipient. A store remembers the calls that its
// steps have left in flight and their batches, up to 65,536 of both, and as many of those who are next in their queues,
// with up to a kilobyte of metadata for each. It reads them again only where the organisation has been written to by
// somebody else, which the revision says. A replay relies on nothing of it.
// Besides, a step writes a narrow row for each batch that it names: what never changes of a batch lies in another
// one. Those queued again have a table of their own, so a claim costs what it claims. Lists are walks over an
// index. Plans do not depend on how old the statistics are: see migrations/0002_statistics.sql.
//
// So whoever writes to these tables by SQL adds 1 to the rev of the organisation's row in the same transaction, or else
// what is known stays in use: who was read ahead is dialled at the number that was read. The rows of an organisation
// may be deleted while no process runs that has dialled for it; its revisions begin anew if it is made again. The key
// of a retry that another process has set, and that had nothing to do, changes no revision: a step may tell the one
// before.
//
// The database needs its autovacuum; the tables that work like queues have settings of their own for it.
// Transactions of others that stay open for long keep it from doing its work, and slow every queue in that database.
//
// # Hints
//
// [Store.Hints] tells which organisations were changed by other processes. It is a hint only, sent apart from the
// transactions, at most 50 times a second: NOTIFY in a transaction has its commit take a lock of the whole database.
// Behind a pooler nobody listens: LISTEN would stay with a connection of the server that others get next.
package postgres
