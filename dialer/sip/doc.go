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
//	backup         further hosts with the same credentials, tried in this order when the
//	               one before cannot take a call: host:port,host
//	domain         the domain in the URIs, where it is not the host
//	channels, cps, burst
//	               what the trunks admit together (default: no limit)
//	listen         the local address, host:port (default: any, on a free port)
//	advertise      the address, host or host:port, that peers are told, behind a NAT
//	keepalive      how often an OPTIONS asks whether the trunk is there; 0: never (default: 30s)
//	session        the session interval that is asked for (RFC 4028); 0: none (default: 30m)
//	display        the display name of the caller
//	assert         true: the caller's number goes into P-Asserted-Identity (RFC 3325)
//	private        true: the callee is not shown who calls (RFC 3323)
//	plain          true: numbers are written without their plus sign
//	prefix         what is written before the number dialled, such as a technical prefix
//	headers        metadata that goes into headers: campaign:X-Campaign,tier:X-Tier
//	redirects      how many times a 3xx is followed (default: 0)
//	large_over_udp true: an INVITE above 1300 bytes stays on UDP (default: false, it goes over TCP)
//	same_address   true: what belongs to a call goes where its INVITE went, whatever Contact
//	               and Record-Route say; for trunks behind a broken NAT
//	allow          further addresses that the trunk sends from: 192.0.2.0/24,198.51.100.7
//	insecure       true: the certificate is not verified; for tests
//	media          rtp: the agent behind a WebSocket, see package bridge (default); srtp: the same,
//	               encrypted; none: no media at all, for load tests and checks of the signalling
//	rtp_ports      the ports for media, FIRST-LAST (default: 16384-32767)
//	rtp_ip         the address for media that peers are told (default: that of advertise or
//	               listen, else the local one that leads to the trunk)
//	agent_token    what agents get as a bearer token
//	agent_at_answer
//	               true: the agent is called when the callee has answered, instead of before
//
//	sip://acme:secret@sip.carrier.example?transport=tcp&channels=200&cps=20
//	sips://acme:secret@203.0.113.5:5061?backup=203.0.113.6:5061&assert=true
//
// # Which trunk takes a call
//
// The trunks, and the servers that a trunk's name stands for, are tried in order. The next
// one is tried after a 5xx, a refused connection, or when nothing at all was heard in 64*T1
// (32 seconds), and never once a phone may ring: after a 180 or any other response above 100, or
// when a connection broke that the INVITE had left by. A server that sent Retry-After, or that nothing
// was heard of, rests. If every one is at rest, refuses connections or says 503,
// the error is a [dialer.UnavailableError].
//
// # What ends a call how
//
//	486, 600, 603, 607                           dial_busy
//	480, 487, 408 after ringing, ring timeout    dial_no_answer
//	other 3xx and 4xx, 604, 606                  dial_failed
//	5xx or nothing heard, from the last server   dial_failed
//	the connection broke while nobody had answered
//	                                             error
//	a 2xx with a description that the media cannot use
//	                                             dial_failed
//	BYE of the callee                            client_hangup
//	the media heard nothing                      inactivity
//	the agent hung up                            agent_hangup
//	the session expired, a refresh was answered with 481 or 408, the connection or the agent was lost
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
//	sip_code      the status code of the last response to the INVITE
//	sip_phrase    its reason phrase
//	reason        the Reason header (RFC 3326) of what ended the call: BYE or response
//	q850_cause    the Q.850 cause in it
//	invite_at     when the INVITE was first sent to the trunk that had the call last
//	trying_at     the first 100
//	ringing_at    the first 18x
//	answered_at   the 2xx
//	acked_at      our ACK of it
//	ended_at      the end
//	media_*       what the media session tells, see package media
//
// # What stays when Dial has returned
//
// Dial returns as soon as the outcome is known. What is left to do goes on in the background
// and is owned by the [Dialer]: a BYE that is not answered yet, a CANCEL,
// the watch over an INVITE that was given up. For 64*T1 a late ringing is cancelled and a late
// answer acknowledged and hung up, so that no call stays up at a carrier. [Dialer.Close]
// ends all of it.
package sip
