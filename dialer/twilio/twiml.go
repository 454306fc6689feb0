package twilio

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/outdial/outdial/dialer"
)

// maxDocument is how many characters Twilio takes.
const maxDocument = 4000

// maxToken is how long the name and value of a parameter may be.
const maxToken = 500

// tokenName is the parameter that proves to the stream's end that the call is ours.
const tokenName = "outdial-token"

// document is what Twilio does with a call that was answered. The call ends with the stream,
// since nothing comes after it.
func (d *Dialer) document(call dialer.Call) (string, error) {
	address, parameters, err := d.streamOf(call)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<Response><Connect><Stream url="%s">`, escape(address))
	for _, p := range parameters {
		fmt.Fprintf(&b, `<Parameter name="%s" value="%s"/>`, escape(p.name), escape(p.value))
	}
	b.WriteString(`</Stream></Connect></Response>`)
	if n := utf8.RuneCountInString(b.String()); n > maxDocument {
		return "", fmt.Errorf("the TwiML of the call has %d characters: Twilio takes %d", n, maxDocument)
	}
	return b.String(), nil
}

func (d *Dialer) streamOf(call dialer.Call) (string, []parameter, error) {
	if err := d.checkAgent(call.Agent.URL); err != nil {
		return "", nil, err
	}
	parameters := parametersOf(call)
	if d.config.Stream == Direct {
		return call.Agent.URL, parameters, nil
	}
	token, err := d.keys.seal(call.ID, call.Agent.URL)
	return d.streamURL(referenceOf(call)), append(parameters, parameter{tokenName, token}), err
}

// checkAgent does not repeat the URL, which may hold a secret.
func (d *Dialer) checkAgent(address string) error {
	if address == "" {
		return errors.New("the agent has no URL")
	}
	u, err := url.Parse(address)
	isDirect := d.config.Stream == Direct
	switch {
	case err != nil:
		return errors.New("the agent's URL cannot be read")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("the agent's URL begins with %.20q: expected ws or wss", u.Scheme)
	case u.Host == "":
		return errors.New("the agent's URL has no host")
	case isDirect && (u.RawQuery != "" || u.User != nil):
		return errors.New("the agent's URL has a query string or a user, which Twilio drops: the stream cannot be direct")
	case isDirect && u.Scheme == "ws" && (!d.config.InsecureLoopback || !isLoopback(u.Hostname())):
		return errors.New("the agent's URL begins with ws: Twilio takes wss only")
	}
	return nil
}

// streamURL is where Twilio takes the audio.
func (d *Dialer) streamURL(of reference) string {
	return "ws" + strings.TrimPrefix(d.publicURL(of, streamPath), "http")
}

// publicURL is what Twilio calls one of the paths of Handler.
func (d *Dialer) publicURL(of reference, path string) string {
	return strings.TrimSuffix(d.config.PublicURL, "/") + of.path() + path
}

// callbackURL has one parameter: Twilio sorts several, and signs them unsorted.
func (d *Dialer) callbackURL(path string, call dialer.Call) string {
	return d.publicURL(referenceOf(call), path) + "?" + callParameter + "=" + url.QueryEscape(call.ID)
}
