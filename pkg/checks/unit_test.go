package checks

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

// answered is a read whose answer is there.
func answered[T any](value T, err error) *read[T] {
	r := newRead("a test's value", Permission{}, time.Second, func(context.Context) (T, error) { return value, err })
	r.start(context.Background())
	<-r.done
	return r
}

func TestVersionAndCertificate(t *testing.T) {
	now := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		info serverInfo
		run  func(context.Context, *Snapshot) Outcome
		want Status
		says string
	}{
		{"maintained", serverInfo{gitVersion: "v1.35.0"}, checkVersion, StatusOK, "v1.35.0"},
		{"too old", serverInfo{gitVersion: "v1.15.3"}, checkVersion, StatusFailed, "no longer maintained"},
		{"a vendor's", serverInfo{gitVersion: "v1.36.4-eks-a18cd3a"}, checkVersion, StatusOK, "eks"},
		{"too new", serverInfo{gitVersion: "v1.99.0"}, checkVersion, StatusFailed, "newer than"},
		{"no version", serverInfo{gitVersion: "main"}, checkVersion, StatusFailed, "cannot be read"},
		{"not permitted", serverInfo{}, checkVersion, StatusSkipped, "get /version"},
		{"fast", serverInfo{latency: 20 * time.Millisecond}, checkLatency, StatusOK, "20ms"},
		{"slow", serverInfo{latency: 1500 * time.Millisecond}, checkLatency, StatusFailed, "took 1.5s"},
		{"not encrypted", serverInfo{plain: true, url: "lab:8080"}, checkTLS, StatusFailed, "lab:8080 is not encrypted"},
		{"no certificate", serverInfo{plain: true}, checkCertificate, StatusSkipped, "not encrypted"},
		{"no date", serverInfo{}, checkClock, StatusSkipped, "no date"},
		{"ahead", serverInfo{hasDate: true, skew: time.Minute}, checkClock, StatusFailed, "1m0s ahead"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSnapshot(Source{}, Config{Now: func() time.Time { return now }})
			s.server = answered(tt.info, nil)
			verifyOutcome(t, tt.run(t.Context(), s), tt.want, tt.says)
		})
	}
}

func verifyOutcome(t *testing.T, o Outcome, want Status, says string) {
	t.Helper()
	if o.Status != want || !strings.Contains(o.Message, says) {
		t.Errorf("%s %q, want %s %q", o.Status, o.Message, want, says)
	}
}

// TestCertificateEnds shows a chain at several times of its life; TestFaults shows real certificates.
func TestCertificateEnds(t *testing.T) {
	end := time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)
	chain := []*x509.Certificate{
		{Subject: pkix.Name{CommonName: "kube-apiserver"}, NotAfter: end},
		{Subject: pkix.Name{CommonName: "kubernetes-ca"}, NotAfter: end.AddDate(9, 0, 0)},
	}
	tests := []struct {
		name     string
		now      time.Time
		want     Status
		severity Severity
		says     string
	}{
		{"long before", end.AddDate(0, 0, -200), StatusOK, "", "200 days, until 2030-01-31"},
		{"soon", end.AddDate(0, 0, -3), StatusFailed, Warning, `"kube-apiserver" ends in 3 days`},
		{"after", end.AddDate(0, 0, 1), StatusFailed, "", "ended on 2030-01-31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSnapshot(Source{}, Config{Now: func() time.Time { return tt.now }})
			s.server = answered(serverInfo{chain: chain}, nil)
			o := checkCertificate(t.Context(), s)
			verifyOutcome(t, o, tt.want, tt.says)
			if o.Severity != tt.severity {
				t.Errorf("severity %q, want %q", o.Severity, tt.severity)
			}
		})
	}
}

func TestHeldAgainst(t *testing.T) {
	tests := []struct {
		name  string
		limit limits.Limit
		used  map[string]int
		want  Status
		says  string
	}{
		{"within", limits.Nodes(), whole(3), StatusOK, "3 of 5000"},
		{"close", limits.Nodes(), whole(4000), StatusFailed, "4000 of 5000"},
		{"beyond", limits.Services(), whole(10_001), StatusFailed, "10001 of 10000"},
		{"the fullest place", limits.PodsPerNode(), map[string]int{"a": 3, "b": 7}, StatusOK, "at most 7 of 110"},
		{"a full place", limits.PodsPerNode(), map[string]int{"a": 3, "b": 109}, StatusFailed, "109 of 110 (b)"},
		{"nothing", limits.PodsPerNode(), nil, StatusOK, "at most 0 of 110"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { verifyOutcome(t, heldAgainst(tt.limit, tt.used), tt.want, tt.says) })
	}
}

func TestProxyModes(t *testing.T) {
	tests := []struct {
		mode            string
		minor, services int
		want            Status
		says            string
	}{
		{"iptables", 37, 900, StatusOK, "iptables with 900 services"},
		{"iptables", 37, 1001, StatusFailed, "slower with every service"},
		{"ipvs", 34, 5000, StatusOK, "ipvs"},
		{"ipvs", 35, 1, StatusFailed, "deprecated since Kubernetes v1.35"},
		{"ipvs", 43, 1, StatusFailed, "removed in Kubernetes v1.43"},
		{"userspace", 25, 10, StatusFailed, "deprecated"},
		{"userspace", 26, 10, StatusFailed, "removed in Kubernetes v1.26"},
		{"nftables", 28, 10, StatusFailed, "since Kubernetes v1.31 only"},
		{"nftables", 37, 9000, StatusOK, "hardly matters"},
	}
	for _, tt := range tests {
		for _, m := range proxyModes() {
			if m.name == tt.mode {
				verifyOutcome(t, m.judge(tt.minor, tt.services), tt.want, tt.says)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	withNodes := func(cidrs ...string) *Snapshot {
		s := NewSnapshot(Source{}, Config{})
		var all []node
		for i, cidr := range cidrs {
			all = append(all, node{name: "n" + string(rune('a'+i)), podCIDRs: []string{cidr}})
		}
		s.nodes = answered(all, nil)
		return s
	}
	verifyOutcome(t, checkNodeRanges(t.Context(), withNodes("10.0.0.0/24", "10.0.1.0/24")), StatusOK, "2 ranges")
	verifyOutcome(t, checkNodeRanges(t.Context(), withNodes("10.0.2.0/24", "10.0.1.0/24", "10.0.0.0/23")), StatusFailed, "nc (10.0.0.0/23) and nb (10.0.1.0/24)")
	verifyOutcome(t, checkNodeRanges(t.Context(), withNodes()), StatusSkipped, "by itself")

	s := NewSnapshot(Source{}, Config{})
	s.serviceCIDRs, s.kubeadm = answered([]string{"10.0.0.0/29"}, nil), answered((*kubeadmConfig)(nil), nil)
	s.services = answered([]service{{clusterIPs: []string{"10.0.0.1"}}}, nil)
	verifyOutcome(t, checkServiceRoom(t.Context(), s), StatusOK, "1 of 6 used")
	s.services = answered([]service{{clusterIPs: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}}}, nil)
	verifyOutcome(t, checkServiceRoom(t.Context(), s), StatusFailed, "6 of 6 used")
	s.serviceCIDRs = answered([]string{"fd00::/64"}, nil)
	verifyOutcome(t, checkServiceRoom(t.Context(), s), StatusOK, "0 of billions")
}

func TestProxyIsReplaced(t *testing.T) {
	linux := []node{{name: "a"}}
	tests := []struct {
		name string
		set  func(*Snapshot)
		want Status
		says string
	}{
		{"by nothing", func(*Snapshot) {}, StatusFailed, "nothing that replaces it"},
		{"by Cilium", func(s *Snapshot) { s.cilium = answered(map[string]string{"kube-proxy-replacement": "true"}, nil) }, StatusOK, "Cilium"},
		{"by old Cilium", func(s *Snapshot) { s.cilium = answered(map[string]string{"kube-proxy-replacement": "strict"}, nil) }, StatusOK, "Cilium"},
		{"by Calico", func(s *Snapshot) { s.felix = answered(map[string]any{"bpfEnabled": true}, nil) }, StatusOK, "eBPF"},
		{"by kube-router", func(s *Snapshot) {
			s.daemonSets = answered([]workload{{name: "kube-router", args: []string{"--run-service-proxy=true"}}}, nil)
		}, StatusOK, "kube-router"},
		{"by k3s", func(s *Snapshot) { s.nodes = answered([]node{{info: nodeInfo{kubelet: "v1.36.1+k3s1"}}}, nil) }, StatusOK, "k3s"},
		{"by nobody knows what", func(s *Snapshot) { s.cilium = answered(map[string]string(nil), errors.New("broken")) }, StatusSkipped, "broken"},
		{"simulated", func(s *Snapshot) { s.nodes = answered([]node{{simulated: true}}, nil) }, StatusSkipped, "simulated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSnapshot(Source{}, Config{})
			s.nodes, s.pods, s.daemonSets = answered(linux, nil), answered([]pod(nil), nil), answered([]workload(nil), nil)
			s.cilium, s.felix = answered(map[string]string(nil), nil), answered(map[string]any(nil), nil)
			tt.set(s)
			verifyOutcome(t, checkProxy(t.Context(), s), tt.want, tt.says)
		})
	}
}

// TestPanic expects a check that panics, or that looks at what it has not declared, to fail alone.
func TestPanic(t *testing.T) {
	broken := Check{ID: "broken", Severity: Warning, run: func(context.Context, *Snapshot) Outcome { panic("a bug") }}
	undeclared := Check{ID: "undeclared", Severity: Warning, run: func(_ context.Context, s *Snapshot) Outcome { return checkNodesReady(context.Background(), s) }}
	fine := Check{ID: "fine", run: func(context.Context, *Snapshot) Outcome { return passf("fine") }}
	report, err := Runner{Checks: []Check{broken, undeclared, fine}}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, says := range []string{"internal error: a bug", "nodes is not declared"} {
		if r := report.Results[i]; !r.Broken() || !strings.Contains(r.Message, says) {
			t.Errorf("%s: %s %q", r.ID, r.Status, r.Message)
		}
	}
	if r := report.Results[2]; r.Status != StatusOK {
		t.Errorf("%s: %s", r.ID, r.Status)
	}
}

// dnsServer answers one question on conn by answer.
func dnsServer(t *testing.T, conn net.Conn, answer func(*dnsmessage.Message)) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		t.Error(err)
		return
	}
	packed := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packed); err != nil {
		t.Error(err)
		return
	}
	var message dnsmessage.Message
	if err := message.Unpack(packed); err != nil {
		t.Error(err)
		return
	}
	message.Response = true
	answer(&message)
	packed, err := message.Pack()
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	const name = "kubernetes.default.svc.cluster.local."
	record := func(body dnsmessage.ResourceBody) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET}, Body: body,
			}}
		}
	}
	tests := []struct {
		name   string
		answer func(*dnsmessage.Message)
		want   []netip.Addr
		says   string
	}{
		{"IPv4", record(&dnsmessage.AResource{A: [4]byte{10, 233, 0, 1}}), []netip.Addr{netip.MustParseAddr("10.233.0.1")}, ""},
		{"IPv6", record(&dnsmessage.AAAAResource{AAAA: [16]byte{0: 0xfd, 15: 1}}), []netip.Addr{netip.MustParseAddr("fd00::1")}, ""},
		{"unknown name", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }, nil, "NameError"},
		{"broken server", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }, nil, "ServerFailure"},
		{"another question's", func(m *dnsmessage.Message) { m.ID++ }, nil, "another question"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			go dnsServer(t, server, tt.answer)
			got, err := lookup(client, name, dnsmessage.TypeA)
			if text := errorText(err); !strings.Contains(text, tt.says) || (tt.says == "") != (err == nil) {
				t.Errorf("error %q, want %q", text, tt.says)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestJudgeLookup asks a DNS server for the API server's Service, and judges its answer.
func TestJudgeLookup(t *testing.T) {
	server := &pod{namespace: kubeSystem, name: "coredns-1"}
	address := func(ip ...byte) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: [4]byte(ip)},
			}}
		}
	}
	tests := []struct {
		name   string
		answer func(*dnsmessage.Message)
		want   Status
		says   string
	}{
		{"right", address(10, 233, 0, 1), StatusOK, "kubernetes.default.svc.lab.example is 10.233.0.1"},
		{"wrong", address(10, 96, 0, 1), StatusFailed, "coredns-1 says that kubernetes.default.svc.lab.example. is [10.96.0.1] instead of 10.233.0.1"},
		{"unknown", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }, StatusFailed, "NameError"},
		{"no record", func(*dnsmessage.Message) {}, StatusFailed, "is [] instead of"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSnapshot(Source{}, Config{})
			s.kubelet = answered(&kubeletConfig{ClusterDomain: "lab.example"}, nil)
			s.services = answered([]service{{namespace: "default", name: "kubernetes", clusterIPs: []string{"10.233.0.1"}}}, nil)
			client, conn := net.Pipe()
			defer client.Close()
			go dnsServer(t, conn, tt.answer)
			o := s.judgeLookup(t.Context(), client, server)
			verifyOutcome(t, o, tt.want, tt.says)
			if failed := o.Status == StatusFailed; failed != (len(o.Objects) == 1) {
				t.Errorf("objects %v", o.Objects)
			}
		})
	}
	t.Run("no answer in time", func(t *testing.T) {
		s := NewSnapshot(Source{}, Config{})
		s.kubelet, s.services = answered((*kubeletConfig)(nil), nil), answered([]service(nil), nil)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		client, conn := net.Pipe()
		_ = conn.Close()
		verifyOutcome(t, s.judgeLookup(ended, client, server), StatusFailed, "did not answer within 5s")
	})
}

// TestDNSPort goes by the endpoints: CoreDNS may listen on a port that takes no privilege.
func TestDNSPort(t *testing.T) {
	s := NewSnapshot(Source{}, Config{})
	s.services = answered([]service{{namespace: "default", name: "web"}, {namespace: kubeSystem, name: "coredns"}}, nil)
	s.endpoints = answered(map[string]endpoints{"default/web": {dnsPort: 9}, "kube-system/coredns": {dnsPort: 1053}}, nil)
	if port := s.dnsPort(); port != 1053 {
		t.Errorf("port %d", port)
	}
	s.endpoints = answered(map[string]endpoints{}, nil)
	if port := s.dnsPort(); port != 53 {
		t.Errorf("port %d without a name", port)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAddressed(t *testing.T) {
	node := Object{Kind: "Node", Name: "k8s02"}
	pod := Object{Kind: "Pod", Namespace: "web", Name: "nginx"}
	tests := []struct {
		hint    string
		objects []Object
		want    string
	}{
		{"kubectl uncordon NODE", []Object{node, {Kind: "Node", Name: "k8s03"}}, "kubectl uncordon k8s02"},
		{"kubectl uncordon NODE", nil, "kubectl uncordon NODE"},
		{"kubectl uncordon NODE", []Object{pod}, "kubectl uncordon NODE"},
		{"kubectl delete pod POD --force", []Object{pod}, "kubectl delete pod nginx -n web --force"},
		{"kubectl logs -n kube-system POD --previous", []Object{{Kind: "Pod", Namespace: kubeSystem, Name: "p"}}, "kubectl logs -n kube-system p --previous"},
		{"kubectl describe pvc NAME", []Object{{Kind: "PersistentVolumeClaim", Namespace: "web", Name: "data"}}, "kubectl describe pvc data -n web"},
		{"kubectl label nodes NODE KEY=VALUE, USERNAME", []Object{node}, "kubectl label nodes k8s02 KEY=VALUE, USERNAME"},
	}
	for _, tt := range tests {
		if got := addressed(tt.hint, tt.objects); got != tt.want {
			t.Errorf("%q of %v: %q, want %q", tt.hint, tt.objects, got, tt.want)
		}
	}
}

func TestParseRestarts(t *testing.T) {
	tests := []struct {
		cell string
		n    int
		ago  time.Duration
	}{
		{"0", 0, 0},
		{"5 (3m10s ago)", 5, 3*time.Minute + 10*time.Second},
		{"12 (2d4h ago)", 12, 52 * time.Hour},
		{"1 (2y10d ago)", 1, 740 * 24 * time.Hour},
		{"many", 0, 0},
	}
	for _, tt := range tests {
		if n, ago := parseRestarts(tt.cell); n != tt.n || ago != tt.ago {
			t.Errorf("%q: %d, %s", tt.cell, n, ago)
		}
	}
}

func TestParseHealth(t *testing.T) {
	h := parseHealth([]byte("[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"))
	want := []healthPart{{"ping", true, "ok"}, {"etcd", false, "failed: reason withheld"}}
	if diff := cmp.Diff(want, h.parts, cmp.AllowUnexported(healthPart{})); diff != "" {
		t.Error(diff)
	}
}

func TestSummary(t *testing.T) {
	failed := func(s Severity) Result { return Result{Status: StatusFailed, Severity: s} }
	report := Report{Results: []Result{
		{Status: StatusOK}, {Status: StatusOK}, failed(Error), failed(Fatal), failed(Warning), failed(Info),
		{Status: StatusSkipped}, {Status: StatusSkipped, MissingPermission: &Permission{}}, {Status: StatusPending},
	}}
	const want = "9 checks: 2 ok, 1 warning, 2 failed, 1 note, 1 skipped, 1 skipped: not permitted, 1 to go"
	if got := report.Summary().String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzAnswer holds the reader of DNS answers to any input.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 1, 0x80, 0})
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = readAnswer(data) })
}
