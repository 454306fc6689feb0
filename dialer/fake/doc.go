// Package fake is a carrier in memory: for tests of what is built on package dialer,
// for demonstrations, and for benchmarks. Nobody's phone rings.
//
// A [Carrier] decides what becomes of each call from a seed, the number dialled and
// the attempt, so that a run can be repeated whatever the order and the speed of its
// calls. [Carrier.Script] says instead, number by number and attempt by attempt, what
// happens, faults included. Time is the time package's: real, or that of a
// testing/synctest bubble if the carrier was made inside it.
//
// The carrier keeps books of what truly happened, apart from what it told the caller.
// A test judges the caller by them: see [Books].
//
// # URLs
//
// The scheme is "fake". The host names the trunk in the books and may be empty. These
// are the parameters, all optional:
//
//	answer, busy, no_answer, failed, refused
//	             the shares of calls that end so, from 0 to 1, together at most 1; what is
//	             left is not answered. With none of the five, the default of [Config].
//	unavailable  the share of attempts that the carrier turns away once, from 0 to 1
//	ring, talk   means, spread from half to one and a half times (default: 3s and 45s)
//	seed         what the outcomes are drawn from (default: 0)
//	speed        how many times faster the carrier lives (default: 1)
//	channels, cps, burst
//	             what it says its limits are; it does not enforce them (default: no limit)
//	resume       false: a carrier whose calls cannot be resumed (default: true)
//	books        a file that every call is written to, see [Config].BooksFile
//
// With a port, fake://HOST:PORT, the carrier is that of another process, see [Remote].
//
// A dialer that was opened by URL is an io.Closer; closing it closes its carrier.
//
//	fake://?answer=0.62&busy=0.1&talk=45s
//	fake://trunk-eu?answer=1&ring=0&talk=0
package fake
