package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that Linux hands out to clients by default (32768–60999, see
// ip(7)), so that a component that is down for a while finds its port free when it comes back.
const (
	lowestPort  = 20000
	highestPort = 32767
	portTries   = 200
)

// ChoosePorts picks a free port for every component. Somebody else may still take one before its
// component listens; then the supervisor asks for others.
func (c *Config) ChoosePorts() error {
	ports := &c.Ports
	wanted := []*int{&ports.Etcd, &ports.EtcdPeer, &ports.APIServer, &ports.ControllerManager, &ports.Scheduler}
	taken := map[int]bool{}
	for _, port := range wanted {
		chosen, err := freePort(taken)
		if err != nil {
			return err
		}
		taken[chosen] = true
		*port = chosen
	}
	return nil
}

// PortsFree reports whether the cluster's ports can be listened on.
func (c *Config) PortsFree() bool {
	p := c.Ports
	for _, port := range []int{p.Etcd, p.EtcdPeer, p.APIServer, p.ControllerManager, p.Scheduler} {
		if port == 0 || tryPort(port) != nil {
			return false
		}
	}
	return true
}

func freePort(taken map[int]bool) (int, error) {
	var last error
	for range portTries {
		// Nobody gains by guessing it: what listens there asks for credentials.
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		if taken[port] {
			continue
		}
		if last = tryPort(port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between %d and %d: %w",
		lowestPort, highestPort, last)
}

func tryPort(port int) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}
