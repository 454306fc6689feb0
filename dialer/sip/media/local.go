package media

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/pion/sdp/v3"
)

// local makes our descriptions.
type local struct {
	ip      netip.Addr
	port    uint16
	id      uint64
	version uint64
	last    string // the last description, as version 0
}

func newLocal(ip netip.Addr, port uint16) local {
	var random [8]byte
	rand.Read(random[:])
	const fitsSigned = 1<<62 - 1 // some peers read it into a signed number
	return local{ip: ip, port: port, id: binary.BigEndian.Uint64(random[:]) & fitsSigned}
}

// audioLine is what we say of the audio.
type audioLine struct {
	formats   []format
	direction direction
	profile   string // AVP or SAVP
	isMuxed   bool   // RTCP comes to the port of RTP (RFC 5761)
	keys      []key
}

// describe makes a description of as many lines as were agreed, all but the audio's refused
// (RFC 3264, section 6). Its version goes up by one where it differs from the
// last one, and only then (section 8).
func (l *local) describe(lines []*sdp.MediaDescription, at int, audio audioLine) ([]byte, error) {
	d := l.session()
	for i, line := range lines {
		if i == at {
			d.MediaDescriptions = append(d.MediaDescriptions, audio.describe(l.port))
			continue
		}
		refused := &sdp.MediaDescription{MediaName: line.MediaName}
		refused.MediaName.Port = sdp.RangedPort{}
		d.MediaDescriptions = append(d.MediaDescriptions, refused)
	}
	if len(lines) == 0 {
		d.MediaDescriptions = append(d.MediaDescriptions, audio.describe(l.port))
	}
	body, err := d.Marshal()
	if err != nil {
		return nil, fmt.Errorf("writing the session description: %w", err)
	}
	if string(body) != l.last {
		l.last = string(body)
		l.version++
	}
	d.Origin.SessionVersion = l.version
	return d.Marshal()
}

func (l *local) session() sdp.SessionDescription {
	family := "IP4"
	if l.ip.Is6() {
		family = "IP6"
	}
	return sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: "-", SessionID: l.id, NetworkType: "IN", AddressType: family, UnicastAddress: l.ip.String(),
		},
		SessionName: "-",
		ConnectionInformation: &sdp.ConnectionInformation{
			NetworkType: "IN", AddressType: family, Address: &sdp.Address{Address: l.ip.String()},
		},
		TimeDescriptions: []sdp.TimeDescription{{}},
	}
}

// describe makes the line of the audio, as RFC 8866, section 5.14 has it, and RFC 4733,
// section 2.4 for the events.
func (a audioLine) describe(port uint16) *sdp.MediaDescription {
	line := &sdp.MediaDescription{MediaName: sdp.MediaName{
		Media: "audio", Port: sdp.RangedPort{Value: int(port)}, Protos: []string{"RTP", a.profile},
	}}
	for _, k := range a.keys {
		line.Attributes = append(line.Attributes, k.attribute())
	}
	for _, f := range a.formats {
		number := strconv.Itoa(int(f.number))
		line.MediaName.Formats = append(line.MediaName.Formats, number)
		line.Attributes = append(line.Attributes, sdp.NewAttribute("rtpmap", fmt.Sprintf("%s %s/8000", number, f.codec)))
		if f.codec == TelephoneEvent {
			line.Attributes = append(line.Attributes, sdp.NewAttribute("fmtp", number+" 0-15"))
		}
	}
	if a.isMuxed {
		line.Attributes = append(line.Attributes, sdp.NewPropertyAttribute("rtcp-mux"))
	}
	line.Attributes = append(line.Attributes,
		sdp.NewAttribute("ptime", strconv.Itoa(int(FrameTime.Milliseconds()))),
		sdp.NewPropertyAttribute(string(a.direction)))
	return line
}
