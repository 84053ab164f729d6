// SPDX-License-Identifier: Apache-2.0

package collectortest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// token is what senders authenticate with. It is on the second line, as during a rotation.
const token, tokens = "sender-token", "older-token\nsender-token\n"

// credentials returns the folder with certificate.pem, a certificate for 127.0.0.1 and localhost that is its own authority,
// and tokens, which senders may have. It writes both unless an earlier test did. The certificate's key is in the same file,
// so that tests that start together can't mix them up.
var credentials = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "_build", "credentials")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "certificate.pem")); err == nil {
		return folder, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	certificate, err := newCertificate()
	if err != nil {
		return "", err
	}
	return folder, errors.Join(
		replaceFile(filepath.Join(folder, "tokens"), []byte(tokens)),
		replaceFile(filepath.Join(folder, "certificate.pem"), certificate),
	)
})

// newCertificate returns a new key and its certificate in PEM. It doesn't expire while the folder _build is kept.
func newCertificate() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certificate, certErr := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	private, keyErr := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// replaceFile replaces a file atomically, so that no other process reads half of it.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// useCredentials sets the variables that name the credentials, and a client that uses them.
func (c *Collector) useCredentials() error {
	folder, err := credentials()
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "certificate.pem")
	certificate, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(certificate)
	c.Transport = &http.Transport{MaxIdleConnsPerHost: 16, TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}}
	c.Client = &http.Client{Transport: &authenticated{c.Transport}}
	c.environment = append(c.environment, "TLS_CERT_FILE="+path, "TLS_KEY_FILE="+path, "BRIDGE_CA_FILE="+path,
		"OTLP_TOKENS_FILE="+filepath.Join(folder, "tokens"))
	return nil
}

// authenticated adds the token to each request.
type authenticated struct{ *http.Transport }

func (a *authenticated) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return a.Transport.RoundTrip(request)
}
