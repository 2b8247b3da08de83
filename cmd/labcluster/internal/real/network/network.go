//go:build linux

// Package network is the network that the nodes of the real cluster are plugged into: a bridge with
// a router on it, in a network namespace that has no other link. Nothing in it can reach this
// machine's network, and nothing there can reach it.
//
// Two things cross: the API, which is offered on this machine's loopback, and pulls of images,
// which are answered from files.
package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/image"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

// Bridge is what the nodes are plugged into.
const Bridge = "lab"

// Commands of the two stages of this component. The second runs in the new namespace.
const (
	Command       = "real-network"
	InsideCommand = "real-network-inside"
)

// Enter opens the API's address on this machine's loopback, moves into a new network namespace and
// goes on there, as the same process. It returns only if that fails.
func Enter(ctx context.Context, dir, images string) error {
	config, err := cluster.Load(cluster.Dir(dir))
	if err != nil {
		return err
	}
	listener, err := listen(ctx, config.Ports.APIServer)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the namespace is the thread's; exec makes it the process's
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	args := []string{os.Args[0], InsideCommand, dir, images, strconv.Itoa(int(listener.Fd()))}
	err = syscall.Exec("/proc/self/exe", args, os.Environ()) //nolint:gosec // this program itself, with its own arguments
	return fmt.Errorf("go on in the network namespace: %w", err)
}

// listen returns a socket that survives exec.
func listen(ctx context.Context, port int) (*os.File, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("offer the API: %w", err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
		return nil, err
	}
	return file, nil
}

// Run is the component, in its namespace. It returns when ctx ends or it can't go on.
func Run(ctx context.Context, dir, images string, apiSocket int) error {
	config, err := cluster.Load(cluster.Dir(dir))
	if err != nil {
		return err
	}
	if err := build(config); err != nil {
		return fmt.Errorf("build the nodes' network: %w", err)
	}
	registry, err := image.OpenRegistry(images)
	if err != nil {
		return err
	}
	api, err := net.FileListener(os.NewFile(uintptr(apiSocket), "api"))
	if err != nil {
		return fmt.Errorf("offer the API: %w", err)
	}
	pulls, err := new(net.ListenConfig).Listen(ctx, "tcp", topology.Registry())
	if err != nil {
		return fmt.Errorf("offer the images: %w", err)
	}
	health, err := listenUnix(ctx, place.Socket(config, place.Network))
	if err != nil {
		return err
	}
	inside, err := new(net.ListenConfig).Listen(ctx, "tcp", topology.Endpoint())
	if err != nil {
		return fmt.Errorf("offer the API to the nodes: %w", err)
	}
	balancer := &balancer{dir: cluster.Dir(dir)}
	ended := make(chan error, 4)
	go func() { ended <- serve(pulls, registry) }()
	go func() { ended <- serve(health, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }()
	go func() { ended <- forward(ctx, api, balancer) }()
	go func() { ended <- forward(ctx, inside, balancer) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return new(net.ListenConfig).Listen(ctx, "unix", path)
}

// serve answers requests until the listener fails.
func serve(listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// build makes the bridge with the router's address on it, and the routes.
func build(config *cluster.Config) error {
	if err := setUp("lo"); err != nil {
		return err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: Bridge}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("make bridge %s: %w", Bridge, err)
	}
	if err := netlink.AddrAdd(bridge, &netlink.Addr{IPNet: topology.RouterNetwork()}); err != nil {
		return fmt.Errorf("give %s its address: %w", Bridge, err)
	}
	if err := setUp(Bridge); err != nil {
		return err
	}
	if err := routing(); err != nil {
		return err
	}
	routes, err := topology.Routes(config)
	if err != nil {
		return err
	}
	for _, route := range routes {
		to := &net.IPNet{IP: route.To.Addr().AsSlice(), Mask: net.CIDRMask(route.To.Bits(), route.To.Addr().BitLen())}
		if err := netlink.RouteAdd(&netlink.Route{Dst: to, Gw: route.Via.AsSlice()}); err != nil {
			return fmt.Errorf("route %s over %s: %w", route.To, route.Via, err)
		}
	}
	return nil
}

func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", name, err)
	}
	return nil
}

// routing lets the router forward. It sends packets out where they came in, so it doesn't tell the
// senders of better ways, which would be nodes that drop what is not theirs.
func routing() error {
	settings := []struct{ name, value string }{
		{"ip_forward", "1"},
		{"conf/all/send_redirects", "0"},
		{"conf/" + Bridge + "/send_redirects", "0"},
		{"conf/all/rp_filter", "0"},
		{"conf/" + Bridge + "/rp_filter", "0"},
	}
	for _, setting := range settings {
		file := filepath.Join("/proc/sys/net/ipv4", setting.name)
		if err := os.WriteFile(file, []byte(setting.value), 0); err != nil {
			return err
		}
	}
	return nil
}

// How long a node may take to accept a connection to its API server.
const dialTimeout = 2 * time.Second
