package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certify writes a certificate for the loopback address, and returns who trusts it.
func (w *world) certify() *x509.CertPool {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(w.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w.t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.write("cert.pem", string(certificate))
	w.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	require.True(w.t, pool.AppendCertsFromPEM(certificate))
	return pool
}

func TestServeWithTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: w.certify()}
	s := w.serveWith(transport, "--config", w.path("config.yaml"), "--db", w.path("test.db"),
		"--tls-cert", w.path("cert.pem"), "--tls-key", w.path("key.pem"))
	require.Regexp(t, `^https://127`, s.url)
	status, _ := s.ready().ask(http.MethodGet, "/agents/calls/batches", "")
	require.Equal(t, http.StatusOK, status)
	r := w.exec(nil, "ls", "--server", s.url, "--key", testKey)
	require.Equal(t, exitFailed, r.code, "the program trusts what the system does")
	require.Contains(t, r.errOut, "certificate")
	require.Zero(t, s.stop().code)
}

func TestServeWarnsWhereOthersCanListen(t *testing.T) {
	t.Parallel()
	for address, warns := range map[string]bool{"127.0.0.1": false, "::1": false, "0.0.0.0": true, "::": true, "192.0.2.1": true} {
		for _, certificate := range []*tls.Certificate{nil, {}} {
			var said strings.Builder
			s := &serving{
				app: &app{cli: &cli{}}, listener: at(net.ParseIP(address)), certificate: certificate,
				local: &local{logger: slog.New(slog.NewTextHandler(&said, nil)), store: &nodeStore{}},
			}
			s.announce()
			require.Equal(t, warns && certificate == nil, strings.Contains(said.String(), "WARN"), address)
		}
	}
}

// at is a listener at an address, on which nobody calls.
type at net.IP

func (a at) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (a at) Close() error              { return nil }
func (a at) Addr() net.Addr            { return &net.TCPAddr{IP: net.IP(a), Port: 80} }
