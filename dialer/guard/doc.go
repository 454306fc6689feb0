// Package guard keeps calls from costing what nobody meant to pay: a decorator around any
// [dialer.Dialer] against toll fraud.
//
// Whoever can create calls, or gets hold of a key that can, may have them placed to numbers that pay
// the one who is called: premium-rate and satellite numbers, and ranges in far countries whose operators
// share what a call costs. [New] wraps a dialer so that these calls are refused before its carrier hears of
// them: nothing is dialled but what [Rules] allow, by country, by kind of number, and by how
// many calls go to one block of numbers within an hour.
//
// # What is never called
//
// Whatever the rules allow, these are refused:
//
//   - what is no number in E.164 format, or has too few or too many digits for its country
//   - short numbers, such as directory inquiries and emergency numbers, with a country code before them
//   - premium-rate and shared-cost numbers, personal numbers (+44 70), pagers and voicemail access
//   - numbers for companies (UAN), but for those that cost what a call to a landline does, in
//     France (+33 806 to 809), Ireland (+353 818), the Netherlands (+31 88) and the United Kingdom (+44 3)
//   - satellite and global networks, which belong to no country: +870, +878, +881, +882, +883, +888, +979
//     and whatever else is none
//   - satellite phones that have numbers of a country, such as +61 147 and +7 954, and Canada's +1 600
//   - in every area of +1, exchange 976 and directory assistance at 555-1212
//   - what is in no known range and would be one of these with fewer digits, or with up to two more
//
// What kind a number is, and which country it belongs to, is told by the metadata of libphonenumber, as
// package github.com/nyaruka/phonenumbers has it. It is a copy of the numbering plans as they were when
// that package was made, so update it now and then.
//
// # Which countries
//
// A region in [Rules].Allow admits the numbers that its country has given out. Countries that share +1, +7 or +44
// are told apart: US is not CA, and not JM, where a call can cost a dollar a minute; GB is not GG. A number that
// is in no known range of its country is refused, as calls to ranges that do not exist are a common
// kind of fraud. A prefix admits whatever begins with it, known or not, but for what is never called.
//
// Some places have numbers in another country's plan and prices of their own: Abkhazia (+7 840, +7 940), San Marino
// (+39 0549), bases in Antarctica (+672 1, +64 240). Only a prefix that is as long as theirs admits them.
//
// # What becomes of a refused call
//
// A refusal is about the number, not the carrier, which is not asked: the error wraps [dialer.ErrNotAsked]. Where
// no guard of the same [Ledger] lets the call through it wraps [dialer.ErrForbidden] as well: it is final, and no other
// carrier is tried. That holds for the calls of an hour, too: see [Rules]. A carrier without a guard lets everything
// through that some rules could allow, if the ledger was told of it with [Ledger.Unguarded].
//
// A call that is under way may have rung or not. While it is not known, and only with it the calls of an hour
// would be used up, the next one is put off: the error is a [dialer.UnavailableError] that wraps [dialer.ErrNotAsked],
// so an engine queues the recipient again, behind others who can be called, and learns nothing of the carrier. When
// it is known that the hour is used up, it is refused.
//
// A ledger counts in one process. Several nodes have a multiple of the limit between them.
package guard
