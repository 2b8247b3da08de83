// Package topology knows the addresses of the real cluster: those of the manual.
//
// The nodes sit on one network, as in the manual. Its first address is a router that has no way out
// of the lab; it forwards between the nodes' pod networks, and answers pulls of images.
package topology

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

const (
	// Router is the nodes' default gateway, inside the lab.
	Router = "192.168.0.1"

	// APIPort is where the API servers listen, on their nodes' addresses.
	APIPort = 6443

	// MaxNodes fit between 192.168.0.104 and the manual's external address, 192.168.0.111.
	MaxNodes = 7

	registryPort = 5000
	prefixBits   = 24
)

// Registry is where nodes pull images, as host:port.
func Registry() string { return net.JoinHostPort(Router, strconv.Itoa(registryPort)) }

// Endpoint is where the API is for everything in the lab, as host:port: the router passes it on to
// an API server that answers, so that there may be several.
func Endpoint() string { return net.JoinHostPort(Router, strconv.Itoa(APIPort)) }

// RouterNetwork is the router's address with the network it is in.
func RouterNetwork() *net.IPNet { return onNetwork(netip.MustParseAddr(Router)) }

// Node is a node's place in the networks.
type Node struct {
	Name    string
	IP      netip.Addr
	PodCIDR netip.Prefix
}

// Network is the node's address with the network it is in.
func (n Node) Network() *net.IPNet { return onNetwork(n.IP) }

// MAC is the node's hardware address. It follows from the IP, so that a node keeps it when it is
// powered off and on, and nobody's ARP cache goes stale.
func (n Node) MAC() net.HardwareAddr {
	ip := n.IP.As4()
	return net.HardwareAddr{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
}

// APIEndpoint is where an API server on this node listens.
func (n Node) APIEndpoint() string { return net.JoinHostPort(n.IP.String(), strconv.Itoa(APIPort)) }

// Nodes returns the nodes of a cluster, in order: the first is the control plane.
func Nodes(config *cluster.Config) ([]Node, error) {
	nodes := make([]Node, 0, len(config.Nodes))
	for i := range config.Nodes {
		place, err := config.Node(i)
		if err != nil {
			return nil, err
		}
		node, err := parse(place)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// Find returns the node of that name.
func Find(config *cluster.Config, name string) (Node, error) {
	nodes, err := Nodes(config)
	if err != nil {
		return Node{}, err
	}
	for _, node := range nodes {
		if node.Name == name {
			return node, nil
		}
	}
	return Node{}, fmt.Errorf("no node %q in this cluster; it has %v", name, config.Nodes)
}

func parse(place cluster.Node) (Node, error) {
	ip, err := netip.ParseAddr(place.IP)
	if err != nil {
		return Node{}, fmt.Errorf("address of node %s: %w", place.Name, err)
	}
	pods, err := netip.ParsePrefix(place.PodCIDR)
	if err != nil {
		return Node{}, fmt.Errorf("pod network of node %s: %w", place.Name, err)
	}
	return Node{Name: place.Name, IP: ip, PodCIDR: pods}, nil
}

func onNetwork(ip netip.Addr) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(prefixBits, ip.BitLen())}
}

// Route is a network behind a node.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Routes are the router's. Services and the external addresses that the manual uses (192.168.0.111
// to .127) lie behind the first node, whose kube-proxy takes them to the pods.
func Routes(config *cluster.Config) ([]Route, error) {
	first, err := netip.ParseAddr(cluster.FirstNodeIP)
	if err != nil {
		return nil, err
	}
	routes := []Route{
		{netip.MustParsePrefix("192.168.0.111/32"), first},
		{netip.MustParsePrefix("192.168.0.112/28"), first},
		{netip.MustParsePrefix(cluster.ServiceCIDR), first},
	}
	all := *config
	all.Nodes = make([]string, MaxNodes) // also those that may come later
	nodes, err := Nodes(&all)
	if err != nil {
		return nil, err
	}
	for _, node := range nodes {
		routes = append(routes, Route{node.PodCIDR, node.IP})
	}
	return routes, nil
}
