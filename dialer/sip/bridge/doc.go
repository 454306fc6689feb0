// Package bridge lets an agent behind a WebSocket talk to the callee of a SIP call.
//
// The messages are those of Twilio Media Streams
// (https://www.twilio.com/docs/voice/media-streams/websocket-messages), with this side in
// Twilio's place: it connects to the agent's URL, and the agent cannot tell on
// which carrier it is but by the URL's query string, which Twilio drops and this package
// keeps. So one agent serves both. Audio is mu-law at 8 kHz in both directions, whatever
// the codec of the call.
//
// To the agent:
//
//	connected  once, when the WebSocket is open; the callee's phone may not ring yet
//	start      once, when the callee answered, with the names below
//	media      every 20 ms: what the callee says; silence where nothing is received
//	dtmf       a key that the callee pressed
//	mark       a mark of the agent's: the audio before it was played, or cleared
//	stop       once, when the call ended for another reason than that the agent hung up
//
// From the agent:
//
//	media      audio of any length, which is played in turn
//	mark       a name, to be returned when the audio before it was played
//	clear      what was not played is dropped
//
// What is not JSON ends the call as an error, as Twilio's error 31924 does. Any other message that has no
// meaning, such as one for another stream, is passed over, and logged once a call; more than a hundred
// of them are an error, too. To hang up,
// the agent closes the WebSocket with status 1000, 1001 or none: what it has sent is played
// first, for at most [Config.Farewell]. Any other status ends the call as an error. A WebSocket that
// breaks off without a close, or does not answer pings, is [media.ErrDisconnected].
//
// Before the call is answered, an agent that hangs up with status 1000 or none wants no call: it is given
// up. One that is lost, or goes away with status 1001, is connected to again, at once and then from time
// to time until the callee answers.
//
// The names in start, for an agent to know the call by:
//
//	streamSid                  MZ and 32 hexadecimal digits, new for each stream
//	callSid                    the id of the call; Twilio has its own here
//	accountSid                 the organisation; Twilio has its own here
//	customParameters.call      the id of the call
//	customParameters.org       the organisation
//	customParameters.batch     the id of the batch
//	customParameters.recipient the id of the recipient
//	customParameters.attempt   1 for the first call to the recipient
//	customParameters.…         the metadata's members that are strings, see dialer.Parameters
package bridge
