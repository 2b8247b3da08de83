// Package pki makes the keys and certificates of a local cluster: the same set, with the same names,
// users and groups, as kubeadm's (https://kubernetes.io/docs/setup/best-practices/certificates/).
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetimes: a local cluster is thrown away long before they end.
const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 5 * 365 * 24 * time.Hour
	clockSkew    = 5 * time.Minute
)

// Files are readable by their owner only, certificates included.
const filePerm fs.FileMode = 0o600

// Cert describes a certificate to be signed. It is written as Name.crt and Name.key.
type Cert struct {
	Name   string
	CN     string
	Groups []string // O, which Kubernetes takes for the user's groups
	Hosts  []string // names and IP addresses that it serves; empty for a client's
}

// Dir is a folder of keys and certificates. What is there already is kept, so that a cluster that is
// started again has the same ones.
type Dir string

// Path returns where the file called name is.
func (d Dir) Path(name string) string { return filepath.Join(string(d), name) }

// CA is a certificate authority, which signs certificates into its folder.
type CA struct {
	dir  Dir
	cert *x509.Certificate
	key  crypto.Signer
}

// CA loads the certificate authority name.crt and name.key, or makes it.
func (d Dir) CA(name, commonName string) (*CA, error) {
	if cert, key, err := d.load(name); err == nil {
		return &CA{dir: d, cert: cert, key: key}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load certificate authority %s: %w", d.Path(name+".crt"), err)
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(Cert{CN: commonName}, caLifetime)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.ExtKeyUsage = nil // a CA's would limit what it may sign
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	cert, err := d.sign(name, template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority %s: %w", name, err)
	}
	return &CA{dir: d, cert: cert, key: key}, nil
}

// Issue signs c, unless its files are there already.
func (ca *CA) Issue(c Cert) error {
	_, _, err := ca.dir.load(c.Name)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("load certificate %s: %w", ca.dir.Path(c.Name+".crt"), err)
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	template, err := newTemplate(c, leafLifetime)
	if err != nil {
		return err
	}
	if _, err := ca.dir.sign(c.Name, template, ca.cert, key, ca.key); err != nil {
		return fmt.Errorf("sign certificate %s: %w", c.Name, err)
	}
	return nil
}

// SigningKey makes the key pair name.key and name.pub, which signs service account tokens.
func (d Dir) SigningKey(name string) error {
	if _, err := os.Stat(d.Path(name + ".pub")); err == nil {
		return nil
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode public key %s: %w", name, err)
	}
	if err := d.writeKey(name, key); err != nil {
		return err
	}
	return d.writePEM(name+".pub", "PUBLIC KEY", public)
}

func (d Dir) load(name string) (*x509.Certificate, crypto.Signer, error) {
	certDER, err := d.readPEM(name + ".crt")
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := d.readPEM(name + ".key")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func (d Dir) sign(name string, template, parent *x509.Certificate, key, parentKey crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	if err := d.writeKey(name, key); err != nil {
		return nil, err
	}
	if err := d.writePEM(name+".crt", "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (d Dir) writeKey(name string, key crypto.Signer) error {
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("key %s is a %T, not ECDSA", name, key)
	}
	der, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		return fmt.Errorf("encode key %s: %w", name, err)
	}
	return d.writePEM(name+".key", "EC PRIVATE KEY", der)
}

func (d Dir) writePEM(file, kind string, der []byte) error {
	return os.WriteFile(d.Path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), filePerm)
}

func (d Dir) readPEM(file string) ([]byte, error) {
	data, err := os.ReadFile(d.Path(file))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	return block.Bytes, nil
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func newTemplate(c Cert, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: c.CN, Organization: c.Groups},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(c.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range c.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template, nil
}
