package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/pki"
)

func TestIssue(t *testing.T) {
	dir := pki.Dir(t.TempDir())
	ca, err := dir.CA("ca", "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	certs := []pki.Cert{
		{Name: "server", CN: "kube-apiserver", Hosts: []string{"localhost", "127.0.0.1"}},
		{Name: "admin", CN: "kubernetes-admin", Groups: []string{"system:masters"}},
	}
	for _, cert := range certs {
		if err := ca.Issue(cert); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(read(t, dir.Path("ca.crt")))

	server := read(t, dir.Path("server.crt"))
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("the server's certificate is not good for %s: %v", host, err)
		}
	}
	admin := read(t, dir.Path("admin.crt"))
	usage := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := admin.Verify(usage); err != nil {
		t.Errorf("the administrator's certificate is not good for a client: %v", err)
	}
	if _, err := admin.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("the administrator's certificate is good for a server")
	}
	if diff := cmp.Diff([]string{"system:masters"}, admin.Subject.Organization); diff != "" {
		t.Error(diff)
	}
}

func TestKeepsWhatIsThere(t *testing.T) {
	dir := pki.Dir(t.TempDir())
	var serials []string
	for range 2 {
		ca, err := dir.CA("ca", "kubernetes")
		if err != nil {
			t.Fatal(err)
		}
		if err := ca.Issue(pki.Cert{Name: "admin", CN: "admin"}); err != nil {
			t.Fatal(err)
		}
		if err := dir.SigningKey("sa"); err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(dir.Path("sa.pub"))
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, read(t, dir.Path("admin.crt")).SerialNumber.String()+string(key))
	}
	if serials[0] != serials[1] {
		t.Error("the second time made other keys")
	}
}

func TestPermissions(t *testing.T) {
	dir := pki.Dir(t.TempDir())
	if _, err := dir.CA("ca", "kubernetes"); err != nil {
		t.Fatal(err)
	}
	if err := dir.SigningKey("sa"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ca.crt", "ca.key", "sa.key", "sa.pub"} {
		info, err := os.Stat(dir.Path(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o", file, got)
		}
	}
}

func TestBrokenAuthority(t *testing.T) {
	dir := pki.Dir(t.TempDir())
	for _, file := range []string{"ca.crt", "ca.key"} {
		if err := os.WriteFile(dir.Path(file), []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dir.CA("ca", "kubernetes"); err == nil {
		t.Error("a broken authority is replaced in silence")
	}
}

func read(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s is not PEM", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
