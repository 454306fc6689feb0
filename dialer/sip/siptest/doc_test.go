// Package siptest places calls with package sip to software that others wrote: SIPp in the part
// of the carrier, Kamailio as a proxy in between, and baresip as a softphone.
//
// A test writes the carrier's part as a [script], which SIPp plays, and looks at what SIPp
// says that it heard. What a program is missing for is skipped, or fails where
// OUTDIAL_REQUIRE is "all".
package siptest
