package sip_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// inPEM writes a file and returns its path.
func inPEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// A trunk whose certificate is of its own authority, and which asks for ours.
func TestCertificatesByURL(t *testing.T) {
	t.Parallel()
	key, err := x509.MarshalPKCS8PrivateKey(identity().PrivateKey)
	require.NoError(t, err)
	cert, keyFile := inPEM(t, "CERTIFICATE", identity().Certificate[0]), inPEM(t, "PRIVATE KEY", key)
	p := newPeer(t, "tls", answers)
	asks := serverTLS(t)
	asks.ClientAuth, asks.ClientCAs = tls.RequireAndVerifyClientCert, clientTLS().RootCAs
	p.tls.Store(asks)
	for params, answered := range map[string]bool{
		"": false, "&tls_ca=" + cert: false, "&tls_ca=" + cert + "&tls_cert=" + cert + "&tls_key=" + keyFile: true,
	} {
		d, err := dialer.Open("sips://" + p.addr() + "?media=none&keepalive=0" + params)
		require.NoError(t, err)
		r := begin(t, d, callTo(callee)).over()
		require.NoError(t, d.(*sip.Dialer).Close())
		require.Equal(t, answered, r.outcome.Reason == dialer.ClientHangup, "%s: %v %v", params, r.outcome, r.err)
	}
	p.balanced()
}
