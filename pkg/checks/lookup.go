package checks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lookupTimeout bounds the whole of a lookup; a resolver in a pod gives up after five seconds.
const lookupTimeout = 5 * time.Second

// defaultDomain is the cluster's domain unless the kubelets' configuration says otherwise.
const defaultDomain = "cluster.local"

// The port of DNS over TCP: what the Service's endpoints call it, and its number if they don't.
const (
	dnsPortName    = "dns-tcp"
	defaultDNSPort = 53
)

// toForward is the permission to open connections to pods of kube-system.
func toForward() Permission {
	return Permission{Verb: "create", Resource: "pods", Subresource: "portforward", Namespace: kubeSystem}
}

// mayForward asks whether this user has that permission. An upgrade that is refused doesn't say why in a
// way that programs can tell.
func (s *Snapshot) mayForward(ctx context.Context) (bool, error) {
	needed := toForward()
	review, err := s.source.Kubernetes.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: needed.Namespace, Verb: needed.Verb, Resource: needed.Resource, Subresource: needed.Subresource,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// checkLookup asks the DNS server for the API server's Service, over TCP through the API server: no
// tool has to be in any image, and no pod is made.
func checkLookup(ctx context.Context, s *Snapshot) Outcome {
	server, reason := s.dnsPod()
	if server == nil {
		return skipf("%s", reason)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	switch allowed, err := s.mayForward(ctx); {
	case err != nil:
		return skipf("whether pod %s may be reached could not be asked: %s", server.name, s.words(err))
	case !allowed:
		return notPermitted(toForward())
	}
	conn, err := dialPod(ctx, s.source, server.namespace, server.name, s.dnsPort())
	if err != nil {
		return skipf("pod %s cannot be reached through the API server: %s", server.name, s.words(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return s.judgeLookup(ctx, conn, server)
}

func (s *Snapshot) judgeLookup(ctx context.Context, conn io.ReadWriter, server *pod) Outcome {
	name := "kubernetes.default.svc." + s.domain() + "."
	wanted := s.apiAddresses()
	addresses, err := lookup(conn, name, addressType(wanted))
	object := []Object{server.object()}
	switch {
	case ctx.Err() != nil:
		return failf(object, "%s did not answer within %s", server.name, lookupTimeout)
	case err != nil:
		return failf(object, "%s: %s: %v", server.name, name, err)
	}
	for _, a := range addresses {
		if slices.Contains(wanted, a.String()) {
			return passf("%s is %s", strings.TrimSuffix(name, "."), a)
		}
	}
	return failf(object, "%s says that %s is %v instead of %s", server.name, name, addresses, names(wanted))
}

// apiAddresses are the addresses of Service default/kubernetes.
func (s *Snapshot) apiAddresses() []string {
	for _, svc := range s.services.get() {
		if svc.key() == "default/kubernetes" {
			return svc.clusterIPs
		}
	}
	return nil
}

// addressType is the type of record to ask for, to get addresses of this family.
func addressType(addresses []string) dnsmessage.Type {
	if len(addresses) > 0 && strings.Contains(addresses[0], ":") {
		return dnsmessage.TypeAAAA
	}
	return dnsmessage.TypeA
}

// dnsPod is a DNS server's pod that can be asked, or why there is none.
func (s *Snapshot) dnsPod() (found *pod, reason string) {
	nodes := map[string]node{}
	for _, n := range s.nodes.get() {
		nodes[n.name] = n
	}
	reason = "no ready pod of the DNS server was found"
	for _, p := range s.pods.get() {
		on, known := nodes[p.node]
		switch {
		case p.namespace != kubeSystem || p.labels["k8s-app"] != dnsLabel || p.ready == 0 || !known:
		case on.simulated:
			reason = "the DNS server's pods are simulated"
		default:
			return &p, ""
		}
	}
	return nil, reason
}

// dnsPort is the pods' port, which need not be the Service's.
func (s *Snapshot) dnsPort() int {
	for _, svc := range s.services.get() {
		if port := s.endpoints.get()[svc.key()].dnsPort; isDNSService(svc) && port > 0 {
			return port
		}
	}
	return defaultDNSPort
}

// domain is the cluster's DNS domain.
func (s *Snapshot) domain() string {
	if s.kubelet.ok() && s.kubelet.get() != nil && s.kubelet.get().ClusterDomain != "" {
		return strings.TrimSuffix(s.kubelet.get().ClusterDomain, ".")
	}
	return defaultDomain
}

// maxMessage is the longest DNS message over TCP (RFC 1035, 4.2.2).
const maxMessage = 1<<16 - 1

// lookup asks for a name's addresses over a TCP connection (RFC 7766).
func lookup(conn io.ReadWriter, name string, kind dnsmessage.Type) ([]netip.Addr, error) {
	question, err := newQuestion(name, kind)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(question); err != nil {
		return nil, fmt.Errorf("sending the question: %w", err)
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, fmt.Errorf("the answer ends early: %w", err)
	}
	return readAnswer(answer)
}

const questionID = 1

// newQuestion is a DNS message with its length before it.
func newQuestion(name string, kind dnsmessage.Type) ([]byte, error) {
	parsed, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, fmt.Errorf("name %q: %w", name, err)
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: questionID, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: parsed, Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := message.Pack()
	if err != nil || len(packed) > maxMessage {
		return nil, fmt.Errorf("name %q: %w", name, err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...), nil
}

func readAnswer(packed []byte) ([]netip.Addr, error) {
	var message dnsmessage.Message
	if err := message.Unpack(packed); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if message.ID != questionID || !message.Response {
		return nil, errors.New("the answer belongs to another question")
	}
	if message.RCode != dnsmessage.RCodeSuccess {
		return nil, fmt.Errorf("the answer is %s", strings.TrimPrefix(message.RCode.String(), "RCode"))
	}
	var addresses []netip.Addr
	for _, a := range message.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			addresses = append(addresses, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			addresses = append(addresses, netip.AddrFrom16(body.AAAA))
		}
	}
	return addresses, nil
}
