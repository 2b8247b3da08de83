//go:build linux

package node

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/network"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

// linkName is the node's own network link.
const linkName = "eth0"

// plug connects the network namespaces of two processes by a virtual cable: the network's and the
// node's. Neither end is ever seen in this machine's own namespace.
func plug(node topology.Node, networkPID, nodePID int) error {
	outside, err := open(networkPID)
	if err != nil {
		return err
	}
	defer outside.close()
	inside, err := open(nodePID)
	if err != nil {
		return err
	}
	defer inside.close()
	if err := cable(node, outside, inside); err != nil {
		return err
	}
	return address(node, inside)
}

// namespace is a network namespace with a handle to work in it.
type namespace struct {
	fd netns.NsHandle
	*netlink.Handle
}

func open(pid int) (*namespace, error) {
	fd, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace of process %d: %w", pid, err)
	}
	handle, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		_ = fd.Close() // the other error is the one to tell
		return nil, fmt.Errorf("enter the network namespace of process %d: %w", pid, err)
	}
	return &namespace{fd: fd, Handle: handle}, nil
}

func (n *namespace) close() {
	n.Close()
	_ = n.fd.Close() // nothing was written
}

// cable makes the link pair and plugs its outer end into the bridge.
func cable(node topology.Node, outside, inside *namespace) error {
	bridge, err := outside.LinkByName(network.Bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", network.Bridge, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = node.Name
	attributes.MasterIndex = bridge.Attrs().Index
	pair := &netlink.Veth{
		LinkAttrs:        attributes,
		PeerName:         linkName,
		PeerHardwareAddr: node.MAC(),
		PeerNamespace:    netlink.NsFd(inside.fd),
	}
	if old, err := outside.LinkByName(node.Name); err == nil { // of the node's last life
		if err := outside.LinkDel(old); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("unplug the node's old cable: %w", err)
		}
	}
	if err := outside.LinkAdd(pair); err != nil {
		return fmt.Errorf("make the cable: %w", err)
	}
	return outside.LinkSetUp(pair)
}

// address sets up the node's end: its address, and the router as the way to everything else.
func address(node topology.Node, inside *namespace) error {
	loopback, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := inside.LinkSetUp(loopback); err != nil {
		return err
	}
	link, err := inside.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("find the node's end of the cable: %w", err)
	}
	if err := inside.AddrAdd(link, &netlink.Addr{IPNet: node.Network()}); err != nil {
		return fmt.Errorf("give the node address %s: %w", node.IP, err)
	}
	if err := inside.LinkSetUp(link); err != nil {
		return err
	}
	gateway := topology.RouterNetwork().IP
	if err := inside.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway}); err != nil {
		return fmt.Errorf("set the node's default route: %w", err)
	}
	return nil
}
