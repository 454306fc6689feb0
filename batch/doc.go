// Package batch is the engine: it takes batches of phone calls, dials them within every
// limit, and tells at any moment what became of each recipient.
//
// The host brings three things: a [store.Store] that keeps the batches, a [Directory]
// that knows organisations, agents and numbers, and a [dialer.Dialer] for each carrier.
//
//	engine, err := batch.New(batch.Config{Store: st, Directory: dir, Dialers: dialers})
//	go engine.Run(ctx)
//	b, err := engine.Create(ctx, "acme", batch.Request{…})
//
// # How it works
//
// While [Engine.Run] runs, there is one loop for each organisation that has something to do.
// A turn of the loop gathers what happened to calls, works out how many more may
// begin, and takes both to the store as one [store.Step]: one transaction that writes what
// happened and claims the next recipients. Only when that is durable are they dialled,
// each in a goroutine that ends with its call. So an attempt is written down before
// the carrier hears of it, and a slot that becomes free is used again at the price of
// one commit.
//
// What may begin is decided by a plain struct without goroutines or clocks, scheduler:
// organisation, batch and carrier each have a weighted semaphore, a carrier also a token
// bucket, and the batch with the fewest calls in flight for its weight comes first.
//
// # Several processes
//
// Engines over one store share the work; those that do not run can create, read and cancel.
// The store checks the limits of batch and organisation again inside its transaction; the
// channels and the pace of a carrier are divided among those that have it. Calls of a node that
// died are taken over: resumed where the carrier can tell what became of them, and otherwise
// ended as failed with the reason error. Nobody is dialled twice because of it.
package batch
