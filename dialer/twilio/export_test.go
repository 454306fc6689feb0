package twilio

import (
	"net/url"

	"github.com/outdial/outdial/dialer"
)

// Signed is what decides over callbacks and streams.
func Signed(tokens []string, address string, form url.Values, header string) bool {
	return signatureOf(header, form).signer(tokens, address) != ""
}

// Token is what a stream has to bring.
func Token(authToken, callID, agentURL string) string {
	token, err := keys{authToken}.seal(callID, agentURL)
	if err != nil {
		panic(err)
	}
	return token
}

// OpenToken reads it.
func OpenToken(tokens []string, callID, token string) (agentURL string, ok bool) {
	return keys(tokens).open(callID, token)
}

// ParametersOf is what an agent is told.
func ParametersOf(call dialer.Call) map[string]string {
	m := map[string]string{}
	for _, p := range parametersOf(call) {
		m[p.name] = p.value
	}
	return m
}

// Document is the TwiML of a call.
func (d *Dialer) Document(call dialer.Call) (string, error) { return d.document(call) }

// Rewritten is the start of a stream as the agent gets it, and whose it is.
func Rewritten(message []byte) (start []byte, callID, token string, err error) {
	var o opening
	err = o.read(message)
	return o.start, o.callID, o.token, err
}

// FormOf reads the body of a callback.
func FormOf(contentType string, body []byte) (url.Values, bool) { return formOf(contentType, body) }

// ReferencePath is the element of a call's addresses by which any process finds its owner.
func ReferencePath(call dialer.Call) string { return referenceOf(call).path() }

// PathIn reads the end of a path.
func PathIn(u *url.URL) (last, org, call string, ok bool) {
	last, of, ok := pathIn(u)
	return last, of.org, of.call, ok
}
