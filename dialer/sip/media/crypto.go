package media

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/srtp/v3"
)

// suite is a crypto suite of RFC 4568, section 6.2.
type suite string

const (
	suite80 suite = "AES_CM_128_HMAC_SHA1_80"
	suite32 suite = "AES_CM_128_HMAC_SHA1_32"

	keyLength  = 16
	saltLength = 14

	// replayed is how many packets back a repeated one is known (RFC 3711, section 3.3.2:
	// at least 64).
	replayed = 128
)

// key is a crypto attribute (RFC 4568, section 4), whose key nobody may log.
type key struct {
	tag    int
	suite  suite
	secret [keyLength + saltLength]byte
	mki    string // the master key identifier that is in every packet; empty: none
}

// keysOf returns the keys of a line that we can use: others may be offered beside them.
func keysOf(line *sdp.MediaDescription) []key {
	var list []key
	for _, a := range line.Attributes {
		if a.Key != "crypto" {
			continue
		}
		if k, ok := readKey(a.Value); ok {
			list = append(list, k)
		}
	}
	return list
}

// readKey reads "1 AES_CM_128_HMAC_SHA1_80 inline:base64|2^31|1:4". It takes no session
// parameters, which change what is to be done, and no more than one master key. Its lifetime is
// longer than a call.
func readKey(value string) (key, bool) {
	const tag, name, inline, all = 0, 1, 2, 3
	fields := strings.Fields(value)
	if len(fields) != all {
		return key{}, false
	}
	number, err := strconv.Atoi(fields[tag])
	k := key{tag: number, suite: suite(fields[name])}
	if err != nil || (k.suite != suite80 && k.suite != suite32) {
		return key{}, false
	}
	encoded, ok := strings.CutPrefix(fields[inline], "inline:")
	parts := strings.Split(encoded, "|")
	if !ok || strings.Contains(encoded, ";") {
		return key{}, false
	}
	for _, part := range parts[1:] {
		if !strings.Contains(part, ":") {
			continue // its lifetime
		}
		if k.mki, ok = readMKI(part); !ok {
			return key{}, false
		}
	}
	secret, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil || len(secret) != len(k.secret) {
		return key{}, false
	}
	copy(k.secret[:], secret)
	return k, true
}

// readMKI reads a master key identifier as RFC 4568, section 6.1, writes it, as "1:4": the number, and
// how many bytes of each packet it has.
func readMKI(s string) (string, bool) {
	const longest = 128
	digits, length, _ := strings.Cut(s, ":")
	number, ok := new(big.Int).SetString(digits, 10)
	n, err := strconv.Atoi(length)
	if !ok || err != nil || n < 1 || n > longest || number.Sign() < 0 || number.BitLen() > 8*n {
		return "", false
	}
	return string(number.FillBytes(make([]byte, n))), true
}

func (k key) attribute() sdp.Attribute {
	return sdp.NewAttribute("crypto",
		fmt.Sprintf("%d %s inline:%s", k.tag, k.suite, base64.StdEncoding.EncodeToString(k.secret[:])))
}

func (k key) context() (*srtp.Context, error) {
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	if k.suite == suite32 {
		profile = srtp.ProtectionProfileAes128CmHmacSha1_32
	}
	return srtp.CreateContext(k.secret[:keyLength], k.secret[keyLength:], profile,
		srtp.SRTPReplayProtection(replayed), srtp.SRTCPReplayProtection(replayed), srtp.MasterKeyIndicator([]byte(k.mki)))
}

// vault keeps the keys of a session. Ours are made once, for each suite, and keep their
// context for the whole call: to begin anew with the same key would encrypt two packets
// with the same stream, which lays both open (RFC 3711, section 9.1). It is not safe for
// concurrent use.
type vault struct {
	ours    []key
	encrypt map[suite]*srtp.Context

	theirs  key
	decrypt *srtp.Context // of theirs
}

func newVault() (*vault, error) {
	v := &vault{encrypt: make(map[suite]*srtp.Context)}
	for i, s := range []suite{suite80, suite32} {
		k := key{tag: i + 1, suite: s}
		rand.Read(k.secret[:])
		context, err := k.context()
		if err != nil {
			return nil, fmt.Errorf("making a key for SRTP: %w", err)
		}
		v.ours = append(v.ours, k)
		v.encrypt[s] = context
	}
	return v, nil
}

// our is our key of the suite.
func (v *vault) our(s suite) key {
	if s == suite32 {
		return v.ours[1]
	}
	return v.ours[0]
}

// accepted is the key that an answer took: one with the tag of one that was offered.
func (v *vault) accepted(answered []key) (key, error) {
	for _, k := range answered {
		if k.suite == v.our(k.suite).suite && k.tag == v.our(k.suite).tag {
			return k, nil
		}
	}
	return key{}, errNoKey
}

var errNoKey = errors.New("the peer describes SRTP, but no key that can be used")

// contextOf is for what the peer encrypts. One for the same key as before goes on.
func (v *vault) contextOf(k key) (*srtp.Context, error) {
	if v.decrypt != nil && v.theirs.suite == k.suite && v.theirs.secret == k.secret && v.theirs.mki == k.mki {
		return v.decrypt, nil
	}
	return k.context()
}
