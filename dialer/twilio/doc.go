// Package twilio places calls over Twilio's REST API and connects those that are answered
// to their agent over Twilio Media Streams.
//
// Twilio needs to reach the host: [Dialer.Handler] is to be mounted at [Config].PublicURL, where
// it takes the status of calls, the results of machine detection and the streams.
//
// # URLs
//
// The scheme is "twilio". The user information is the account's SID and its auth token, which
// is also what callbacks are signed with. There is no host. These are the parameters, all
// optional but public:
//
//	public         where Twilio reaches [Dialer.Handler], such as https://calls.example.com/twilio
//	key, secret    an API key (SK…) and its secret, for requests in place of the auth token
//	old_token      a former auth token, by which callbacks may still be signed
//	edge, region   where Twilio takes the requests, such as dublin and ie1 (default: us1)
//	channels, cps, burst
//	               what the account admits (default: no limit of channels, 1 call a second)
//	stream         proxy: the audio passes through this process; direct: it goes to the agent
//	               from Twilio (default: proxy)
//	agent_token    a bearer token for the agent, with proxy
//	amd            enable or message_end: asynchronous answering machine detection, which costs extra
//	longest_call   the account's longest call (default: 4h, Twilio's own)
//	queue_timeout  how long a call may wait at Twilio before it is taken back (default: 20s)
//	base           another base URL of the API
//	insecure       loopback: http and ws are accepted on the loopback interface; for tests
//
//	twilio://AC…:token@?public=https://calls.example.com/twilio&edge=dublin&region=ie1&cps=30
//
// A dialer that is opened by its URL tells slog.Default what its operator has to know.
//
// # Never twice
//
// Twilio has no key by which it would recognise a repeated request. So a call is created again,
// within the same attempt, only after a 429, which Twilio documents as not processed, and
// where no connection was had, so that nothing was sent. After anything else
// that is no clear refusal the call may exist. It is then looked for: in callbacks, which carry
// the call's id in their URL; in the stream, which does so in its parameters; and in the account's list, by
// both numbers and the time. If it is found, it is followed as if nothing had happened. If not, Dial
// returns an error, and should the call turn up later all the same, it is hung up and its stream refused.
//
// Refusals are told apart by Twilio's error code, and each stops only what it is about. One about the number
// to call ends the recipient (21211, 21214 to 21217, 13223 to 13227 and others). One about the number to call from is
// a [dialer.UnavailableError] with CallerOnly (21210, 21212, 21213, 21606 and others). One about the account is
// an UnavailableError with a long rest (401, 402, 403, 404, 10001, 10005, 20003, 20005, 90010), and any other 4xx of
// HTTP one without. A status that may come from something between Twilio and here is no refusal.
//
// # What ends a call how
//
// Twilio does not say who hung up. With the audio passing through, this package sees it:
//
//	busy, no-answer, failed          dial_busy, dial_no_answer, dial_failed
//	canceled by somebody else        api_cancelled
//	the ring timeout                 dial_no_answer
//	the agent closed its WebSocket   agent_hangup; by any status but 1000, 1001 or none: error
//	the agent was lost               client_disconnected
//	the stream stopped               client_hangup
//	the stream broke off             client_disconnected
//	nothing came over the stream     inactivity
//	the maximum duration             max_duration
//	answered, and no stream began    error, if it lasted for 5 s or no callback has come either
//
// A call that waits at Twilio for longer than queue_timeout is taken back. If Twilio says that it was never
// dialled, that is a [dialer.UnavailableError], since it may be placed again.
//
// Where the stream is direct, and after a restart, an answered call that nobody here ended is a
// client_hangup.
//
// # What the agent sees
//
// With proxy, an agent sees what it sees of a SIP call: the messages of Media Streams, with the headers and
// the customParameters that package sip/bridge documents; callSid, streamSid and accountSid are
// Twilio's. To hang up, it closes the WebSocket: what it has sent is played first.
//
// An agent is connected to when the callee answers, where SIP connects before it calls. One that could not be
// reached then costs one callee: it is tried before any other is called, and until it is back they wait.
//
// Direct spares the way through this process. But Twilio drops the query string of the agent's URL and sends no
// headers, who hung up is not known, and a call that its attempt has given up reaches the agent.
//
// # Details
//
// These are the keys of [dialer.Outcome].Details. Those are left out of which nothing is known.
//
//	status        Twilio's last status of the call
//	sip_code      the SIP response code
//	answered_by   what machine detection found, such as human or machine_start
//	error_code    Twilio's code of an error in the call
//	queue_time    how long the call waited at Twilio, in milliseconds
//	duration      how long it lasted by Twilio's count, in seconds
//	found_by      list: the answer to the request was lost, and the call was found in the list
//
// # Several nodes
//
// Each node may have a PublicURL of its own. Where they share one, what Twilio sends reaches any of them. Every
// address that Twilio has of a call names the call and its organisation, so that a node which does not follow the
// call finds out who does, by [Config].Owner, and passes the request on to that one's Handler: a callback after
// Twilio has had its answer, a stream with all its audio. The request keeps Twilio's signature, which is checked at
// both, and gets a mark in its header Outdial-Passed-On by which it is not passed on again; only who has the auth
// token can make that. A callback is given up after 5 s, as whoever follows the call asks Twilio by itself in the
// end; a stream after 10 s. An organisation and a call whose ids are too long for an address (about 140 bytes
// together) are not named there.
//
// The same question tells a process that was started anew that an attempt is over: what turns up of it later is
// hung up, and its stream refused.
//
// # Another dialer in its place
//
// A host that reads its configuration anew makes another dialer while calls of the first one go on. Twilio then calls
// the second one back: see [Dialer.Replaces]. Where the auth token is what has changed, calls of the first one are
// asked about and hung up by the new token once Twilio refuses the former one. It may call this process back for calls
// of others that have not read theirs, even if this one has had no call: see [Dialer.Linger].
package twilio
