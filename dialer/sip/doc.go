// Package sip places calls over SIP trunks (RFC 3261): it is an outbound user agent for
// one or several of them, in order of preference.
//
// It carries the signalling only. What is heard on a call is the business of a
// [media.Handler], from package media. Where the agent cannot be reached or no port is free, nobody is
// called: the error is a [dialer.UnavailableError], so the recipient waits.
//
// # URLs
//
// The schemes are "sip" and "sips". The user information is what the trunk asks for when
// it challenges a request; the host may have a port, and is looked up by RFC 3263 (SRV,
// then A and AAAA) if it has none. sips is TLS, and says so in every URI. These are the
// parameters, all optional:
//
//	transport      udp, tcp or tls (default: udp; for sips: tls)
//	proxy          where requests go instead of the host, which is then only the domain, and what
//	               their Route names: host or host:port
//	backup         further hosts with the same credentials, tried in this order when the
//	               one before cannot take a call: host:port,host
//	domain         the domain in the URIs, where it is not the host
//	realm          the realms whose challenges are answered: a.example,b.example (default: the one that
//	               challenges first in a call)
//	channels, cps, burst
//	               what the trunks admit together (default: no limit)
//	listen         the local address, host:port (default: any, on a free port); see "Two dialers at one port"
//	advertise      the address, host or host:port, that peers are told, behind a NAT
//	connect_timeout
//	               how long opening a connection may take (default: 4s)
//	keepalive      how often an OPTIONS asks whether the trunk is there; 0: never (default: 30s)
//	silent_after   how long a server may say nothing at all to an INVITE until other calls go to the next
//	               one; 0: for ever (default: 6s)
//	max_rest       the longest rest of a server that asks for one with Retry-After, or is silent again and
//	               again; 0: none for Retry-After (default: 5m)
//	auth_rest      how long no call is placed when the trunk has refused the user and the secret; 0: until the
//	               configuration is new (default: 5m)
//	session        the session interval that is asked for (RFC 4028); 0: none (default: 30m)
//	display        the display name of the caller
//	identity       the header that tells the trunk the caller's number: asserted (P-Asserted-Identity, RFC
//	               3325), preferred (P-Preferred-Identity) or remote-party (Remote-Party-ID) (default: none)
//	from_user      the user in From and Contact (default: the caller's number)
//	from_domain    the domain in From and the identity (default: domain)
//	user_phone     true: numbers in URIs are marked with user=phone
//	private        true: the callee is not shown who calls (RFC 3323)
//	plain          true: numbers are written without their plus sign
//	prefix         what is written before the number dialled, such as a technical prefix; a # in it (%23 in
//	               the URL) is %23 in the URI, too
//	headers        metadata that goes into headers: campaign:X-Campaign,tier:X-Tier
//	call_header    the header that has the engine's id of the call: X-Call (default: none)
//	incoming       the status code with which calls to us are refused (default: 480)
//	redirects      how many times a 3xx is followed (default: 0)
//	large_over_udp true: an INVITE above 1300 bytes stays on UDP (default: false, it goes over TCP)
//	same_address   true: what belongs to a call goes where its INVITE went, whatever Contact
//	               and Record-Route say; for trunks behind a broken NAT
//	allow          further addresses that the trunk sends from: 192.0.2.0/24,198.51.100.7
//	tls_ca         a file of certificates, in PEM, that the trunk's is verified by (default: the system's)
//	tls_cert, tls_key
//	               files with our own certificate and its key, in PEM, for a trunk that asks for one
//	insecure       true: the certificate is not verified; for tests
//	media          rtp: the agent behind a WebSocket, see package bridge (default); srtp: the same,
//	               encrypted; srtp-preferred: encrypted where the trunk can; none: no media at all, for
//	               load tests and checks of the signalling
//	keys_in_clear  true: the keys of SRTP may go over udp or tcp, where the way to the trunk is private
//	codecs         what is offered, best first: PCMA,PCMU,telephone-event (default: all, PCMU first)
//	early_media    true: what the callee's side plays before the answer reaches the agent
//	fixed_source   true: media goes to the address that the peer describes, wherever it sends from
//	media_initial_timeout, media_timeout
//	               how long nothing may be heard of the callee after the answer, and later, until the
//	               call ends; 0: for ever (default: 30s)
//	rtp_ports      the ports for media, FIRST-LAST (default: 16384-32767)
//	rtp_ip         the address for media that peers are told (default: that of advertise or
//	               listen, else the local one that leads to the trunk)
//	agent_token    what agents get as a bearer token
//	agent_at_answer
//	               true: the agent is called when the callee has answered, instead of before
//
//	sip://acme:secret@sip.carrier.example?transport=tcp&channels=200&cps=20
//	sips://acme:secret@203.0.113.5:5061?backup=203.0.113.6:5061&identity=asserted
//
// What an operator has to know of such a trunk is told to slog.Default, as it was when the trunk was opened.
//
// # Which trunk takes a call
//
// The trunks, and the servers that a trunk's name stands for, are tried in order. The next one is tried only
// where it is certain that nobody's phone rang: the server refused the INVITE with a 5xx other than 504, and had said
// nothing above 100 before; it refused the connection, or the system says that the datagram
// reached nobody; or not a byte has left. Never after silence, whose cause may be the way back (an address that is
// advertised wrongly, a firewall) while the phone rings, and never when a connection broke that the INVITE had
// left by. Nor is another one tried, or a call taken for one that was not placed, once something above 100 was heard,
// or an answer came behind a refusal, as from another branch of a fork: that is hung up. Nobody is called when the
// agent has left, or the time to ring has passed, while the connection was opened.
//
// A server that sent Retry-After with a 503, or that nothing was heard of, rests: other calls go to the next one. A
// 503 whose Reason says that the number cannot be reached (Q.850 causes 1, 3, 28) is no matter of the trunk. If every
// server is at rest, refuses connections or says 503, the error is a [dialer.UnavailableError].
//
// A 504, or silence until the end of the transaction, is not the end of the call for certain: whoever was asked
// further on may ring, and only the way back be broken. To ask the next trunk would be to ring the same
// person twice, and [dialer.ErrNotPlaced] would have the engine do so. So the call ends, and is
// dialled again only when somebody asks for it; the calls after it leave the server that was silent.
//
// # A wrong secret
//
// A trunk that challenges again what brought the user and the secret, for no other reason than that, does not
// take them. The next trunk is tried, else the error is a [dialer.UnavailableError]: nobody is written off for
// a password that was changed. The calls after that bring it no more, since many a registrar locks an account for
// it: they are unavailable, too, until the rest is over (auth_rest). Then one of them tries. As long as it is not known
// whether the secret is right, as at first, one call at a time brings it, and others that are challenged wait for
// what becomes of that one. A 403 to a call that brings it ends the call, and is taken for a wrong secret only
// where the trunk has never taken it: later it is a call that may not be placed. A new Dialer, and so
// a new configuration, begins anew. That the trunk takes it is known by a 180, an answer, or a refusal for something
// else: a 183 may come before anybody has looked. What a call hears that left before a refusal says nothing.
//
// A challenge that cannot be answered (there is no user, the realm is none of those, no algorithm is known) sends the
// call to the next trunk, too. As long as the trunk has let no call in, it rests as for a wrong secret, and the error
// is a [dialer.UnavailableError]; later it is somebody behind the trunk who challenges, and without a next trunk the
// call is dial_failed. A nonce that is always stale is a [dialer.UnavailableError].
//
// # Credentials in a call
//
// A BYE, a re-INVITE, an UPDATE or an INFO may be challenged, too, perhaps by somebody else than the INVITE was. Such a
// request brings the user and the secret at once only where the last one that did, in any call over the trunk, was let
// in by it, and the trunk does not rest for a wrong secret; else it leaves without, and is sent again when it has been
// challenged. Where one that brought them is challenged again, or one was refused before, one request at a time finds
// out, and others wait for it, for 6s at the longest. Two that are refused one after the other begin a rest
// (auth_rest) in which no request in a call is sent again with them: such a BYE is refused, and the log says that the
// call may be live. That keeps no call from being placed, as who refuses those need not be who takes calls. While the
// trunk rests for a secret that it refused to an INVITE, requests in calls bring it neither. An ACK has the credentials
// of its INVITE (RFC 3261, section 22.1), and so has a PRACK, which leaves while that is under way: what becomes of it
// says nothing of the secret.
//
// # Challenges behind a provisional response
//
// An INVITE that is challenged behind a 181, 182 or 183 is sent again to the same server, with credentials: the one
// before has ended on every branch. ringing_at is then that of the last INVITE. It is not sent again behind a 180: the
// phone has rung, and would ring for the second time. So it may have by a 183 with a session description, by which a
// gateway plays what is heard.
// [Dialer.Servers] tells how each one is, [Dialer.Probe] asks them.
//
// # What ends a call how
//
//	486, 600, 603, 607, 608                      dial_busy
//	480, 487, 408 after ringing, ring timeout    dial_no_answer
//	other 3xx and 4xx, 604, 606                  dial_failed (401 and 407: see above)
//	5xx from the last server, 504                dial_failed
//	nothing heard in 64*T1 or as long as the phone may ring
//	                                             error
//	the connection broke while nobody had answered, or there was none for the INVITE that answers a
//	challenge behind a provisional response
//	                                             error
//	a 2xx with a description that the media cannot use
//	                                             dial_failed
//	BYE of the callee                            client_hangup
//	the media heard nothing                      inactivity
//	the agent hung up                            agent_hangup
//	the agent hung up while the phone rang       dial_no_answer: the engine counts agent_hangup as completed, and
//	                                             nobody was spoken to; so it can be tried again
//	the session expired, a refresh was answered with 481 or 408, the agent was lost, or the connection,
//	and it could not be opened again
//	                                             client_disconnected
//	the maximum duration                         max_duration
//
// # Details
//
// These are the keys of [dialer.Outcome].Details. Those are left out of which nothing is
// known. Times are RFC 3339 with milliseconds.
//
//	trunk         the trunk's name
//	sip_call_id   the Call-ID, which is the outcome's Ref, too
//	sip_code      the status code of the last response to the INVITE, of the trunk that had the call last
//	sip_phrase    its reason phrase
//	reason        the Reason header (RFC 3326) of what ended the call: BYE or response
//	q850_cause    the Q.850 cause in it
//	invite_at     when the INVITE was first sent to the trunk that had the call last
//	trying_at     the first 100
//	ringing_at    the first 18x
//	answered_at   the 2xx
//	acked_at      our ACK of it
//	agent_left_at when the agent hung up before the answer
//	ended_at      the end
//	media_*       what the media session tells, see package media
//
// # Messages that are not well-formed
//
// An answer means that somebody is on the phone, so it is not dropped for what does not matter. A message that is
// well-formed passes untouched. In another one, lines that are no header are left out, with what is folded onto them;
// lines may end with LF alone; the length is that of what came, where Content-Length is missing, contradicts itself or
// is more than a datagram has. White space may be where RFC 3261, section 25.1 allows it. A header whose value cannot
// be read is as if it were not there, but for the tag in From and To and the branch in Via, by which a message is
// found. What has no first line that can be read, or is longer than 65535 bytes, is no message: it is dropped, and the
// log has the address now and then. On a connection the next message is looked for behind it, by a line with SIP/2.0 at
// its beginning or its end, so that the connection stays, and the calls on it.
//
// # Two dialers at one port
//
// Dialers of one process whose listen is the same, with a port that is not 0, share the socket, and the last one to be
// closed closes it. So a carrier can be replaced while its calls go on: see batch/config. A message is for the dialer
// whose call it is of, by its Call-ID, whatever it came by; any other request is for the one that was opened last. All
// peers of one of them may send.
//
// # Who may send to us
//
// The servers of the trunks, what Allow lists, and the hosts that the messages of a call name, as long as
// the call and its end take. What others send is dropped unread, and counted ([Dialer.Dropped]). Calls to
// us are refused.
//
// # What stays when Dial has returned
//
// Dial returns as soon as the outcome is known. What is left to do goes on in the background
// and is owned by the [Dialer]: a BYE that is not answered yet, a CANCEL,
// the watch over an INVITE that was given up. For 64*T1 a late ringing is cancelled and a late
// answer acknowledged and hung up, so that no call stays up at a carrier. [Dialer.Close]
// ends all of it.
package sip
