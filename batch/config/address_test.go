package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCarriersThatDoNotMeet are what the broken files of carriers with one address must not take in.
func TestCarriersThatDoNotMeet(t *testing.T) {
	c := parseWith(t, nil, `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB]}
carriers:
  one: "twilio://a:b@?public=https://calls.example.com/one"
  two: "twilio://a:b@?public=https://calls.example.com/two"
  three: "twilio://a:b@?public=https://calls.example.com/two/more"
  four: "twilio://a:b@?public=https://other.example.com/one"
  five: "twilio://a:b@?public=https://calls.example.com:8443/one"
  six: "twilio://a:b@?public=https://calls.example.com/One"
  seven: "twilio://a:b@?public=https://calls.example.com/two%252Fmore"
  none: "twilio://a:b@"
  no: "twilio://a:b@"
  trunk: "sip://x@sip.example?listen=127.0.0.1:5060"
  same: "sip://x@sip.example?listen=127.0.0.2:5060"
  v6: "sip://x@sip.example?listen=[::1]:5060"
  another: "sip://x@sip.example?listen=:5061"
  free: "sip://x@sip.example?listen=:0"
  freed: "sip://x@sip.example?listen=:0"
  left: "sip://x@sip.example"
  out: "sips://x@sip.example"
  test: "test://x?listen=127.0.0.1:5060"
`)
	require.Len(t, c.Dialers(), 18)
}

// TestACarrierThatIsReplacedKeepsItsAddress has the file read again, where each address is its own.
func TestACarrierThatIsReplacedKeepsItsAddress(t *testing.T) {
	f, e := openFile(t, `
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB]}
carriers:
  one: "twilio://a:b@?public=https://calls.example.com/one"
  two: "twilio://a:b@?public=https://calls.example.com/two"
`), &engine{}
	c, err := f.change(e, "a:b", "a:c")
	require.NoError(t, err)
	require.Equal(t, "carriers replaced: one, two", c.String())
	c, err = f.change(e, "/one", "/x", "/two", "/one")
	require.NoError(t, err)
	require.Equal(t, "carriers replaced: one, two", c.String())
	_, err = f.change(e, "/x", "/one")
	require.ErrorContains(t, err, "carriers.two: the parameter public names the address of carrier \"one\"")
}

// TestOneAddressInOtherWords has a second carrier whose public URL leads to the first one's.
func TestOneAddressInOtherWords(t *testing.T) {
	for _, other := range []string{
		"https://calls.example.com/carriers/%256Fne", "https://calls.example.com/carriers/./one",
		"https://calls.example.com/carriers/%252e/two/../one/", "https://calls.example.com//carriers//one",
		"https://calls.example.com:0443/carriers/one", "https://calls.example.com:/carriers/one",
	} {
		_, err := parse("f", []byte(`
organisations: {demo: {concurrency_limit: 40}}
guard: {allow: [GB]}
carriers:
  one: "twilio://a:b@?public=https://calls.example.com/carriers/one"
  two: "twilio://a:c@?public=`+other+`"
`), lookupIn(nil))
		require.ErrorContains(t, err, `carriers.two: the parameter public names the address of carrier "one"`, other)
	}
}
