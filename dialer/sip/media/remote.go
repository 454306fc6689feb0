package media

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// direction is which way media goes, as the side says that describes it (RFC 8866,
// section 6.7).
type direction string

const (
	sendRecv direction = "sendrecv"
	sendOnly direction = "sendonly"
	recvOnly direction = "recvonly"
	inactive direction = "inactive"
)

// remote is what the peer's description says of the audio.
type remote struct {
	lines     []*sdp.MediaDescription // all of them
	at        int                     // which of them is the audio's
	to        netip.AddrPort
	isZero    bool // 0.0.0.0: hold as it was before RFC 3264 (section 8.4)
	direction direction
	formats   []format // those that we know, in the peer's order
	keys      []key    // those that we can use
	isMuxed   bool     // RTCP may go to the port of RTP (RFC 5761)
	control   netip.AddrPort
}

// anyLine is for an offer, where the first audio that can be is taken.
const anyLine = -1

// read takes a description apart. at is the line that has to be the audio's, or anyLine. What we
// cannot use is left out; what leaves no audio is an error.
func read(description []byte, at int) (remote, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal(description); err != nil {
		return remote{}, fmt.Errorf("reading the session description: %w", err)
	}
	r := remote{lines: d.MediaDescriptions, at: at}
	if at == anyLine {
		r.at = slices.IndexFunc(r.lines, isAudio)
	}
	if r.at < 0 || r.at >= len(r.lines) || r.lines[r.at].MediaName.Media != "audio" {
		return remote{}, errors.New("the peer describes no audio")
	}
	err := r.readAudio(&d)
	return r, err
}

// isAudio says whether the line may be the one of the call.
func isAudio(line *sdp.MediaDescription) bool {
	return line.MediaName.Media == "audio" && line.MediaName.Port.Value != 0 && isRTP(line)
}

func isRTP(line *sdp.MediaDescription) bool {
	profile := strings.Join(line.MediaName.Protos, "/")
	return profile == "RTP/AVP" || profile == "RTP/SAVP"
}

func isSecure(line *sdp.MediaDescription) bool { return slices.Contains(line.MediaName.Protos, "SAVP") }

// profileOf is that of our answer to the line.
func profileOf(line *sdp.MediaDescription) string {
	if isSecure(line) {
		return "SAVP"
	}
	return "AVP"
}

func (r *remote) readAudio(d *sdp.SessionDescription) error {
	line := r.lines[r.at]
	if line.MediaName.Port.Value == 0 {
		return errors.New("the peer refuses audio: its port is 0")
	}
	if !isRTP(line) {
		return fmt.Errorf("the peer wants audio as %.40q", strings.Join(line.MediaName.Protos, "/"))
	}
	r.direction = directionOf(d, line)
	r.formats = formatsOf(line)
	r.keys = keysOf(line)
	return r.readAddress(d, line)
}

func (r *remote) readAddress(d *sdp.SessionDescription, line *sdp.MediaDescription) error {
	c := line.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return errors.New("the peer's description has no address")
	}
	address, _, _ := strings.Cut(c.Address.Address, "/") // a lifetime, where it is multicast
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return errors.New("the peer's address is not numeric") // its text would be the peer's
	}
	ip = ip.Unmap()
	if ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || ip.Zone() != "" {
		return fmt.Errorf("the peer's address %v is not one of a peer", ip)
	}
	port := line.MediaName.Port.Value
	const highest = 65535
	if port < 1 || port > highest {
		return fmt.Errorf("the peer's port is %d", port)
	}
	r.to = netip.AddrPortFrom(ip, uint16(port))
	r.isZero = ip.IsUnspecified()
	_, r.isMuxed = line.Attribute("rtcp-mux")
	r.control = controlOf(line, r.to)
	return nil
}

// controlOf is where the peer takes RTCP: where RFC 3605 says, else at the port above.
func controlOf(line *sdp.MediaDescription, media netip.AddrPort) netip.AddrPort {
	const port, address, all = 0, 3, 4
	value, _ := line.Attribute("rtcp")
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return netip.AddrPortFrom(media.Addr(), media.Port()+1)
	}
	number, err := strconv.ParseUint(fields[port], 10, 16)
	if err != nil || number == 0 {
		return netip.AddrPort{}
	}
	to := netip.AddrPortFrom(media.Addr(), uint16(number))
	if len(fields) == all {
		if ip, err := netip.ParseAddr(fields[address]); err == nil && ip.Is4() == media.Addr().Is4() {
			to = netip.AddrPortFrom(ip, to.Port())
		}
	}
	return to
}

// directionOf looks at the line first (RFC 8866, section 6.7).
func directionOf(d *sdp.SessionDescription, line *sdp.MediaDescription) direction {
	for _, attributes := range [][]sdp.Attribute{line.Attributes, d.Attributes} {
		for _, a := range attributes {
			switch named := direction(a.Key); named {
			case sendRecv, sendOnly, recvOnly, inactive:
				return named
			}
		}
	}
	return sendRecv
}

func formatsOf(line *sdp.MediaDescription) []format {
	var list []format
	for _, name := range line.MediaName.Formats {
		number, err := strconv.ParseUint(name, 10, 7)
		if err != nil {
			continue
		}
		f := format{number: uint8(number)}
		if f.codec = codecOf(line, name); f.codec != "" && !hasCodec(list, f.codec) {
			list = append(list, f)
		}
	}
	return list
}

// codecOf is the codec of a payload type; empty: we do not know it.
func codecOf(line *sdp.MediaDescription, name string) Codec {
	for _, a := range line.Attributes {
		number, encoding, ok := strings.Cut(a.Value, " ")
		if a.Key == "rtpmap" && ok && number == name {
			return codecNamed(encoding)
		}
	}
	switch name { // static ones need no rtpmap (RFC 3551, section 6)
	case "0":
		return PCMU
	case "8":
		return PCMA
	}
	return ""
}

func codecNamed(encoding string) Codec {
	encoding = strings.TrimSuffix(strings.TrimSpace(encoding), "/1") // one channel is the default
	for _, codec := range []Codec{PCMU, PCMA, TelephoneEvent} {
		if strings.EqualFold(encoding, string(codec)+"/8000") {
			return codec
		}
	}
	return ""
}

func hasCodec(list []format, codec Codec) bool {
	return slices.ContainsFunc(list, func(f format) bool { return f.codec == codec })
}
