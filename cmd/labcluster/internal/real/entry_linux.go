package real

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/network"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/node"
)

// Run becomes the part of the cluster that args name, where args[1] is its command, and returns its
// exit code. ok is false if there is none of that name.
func Run(args []string) (code int, ok bool) {
	if len(args) < 2 {
		return 0, false
	}
	part, ok := parts()[args[1]]
	if !ok {
		return 0, false
	}
	rest := args[2:]
	if len(rest) != part.args {
		fmt.Fprintf(os.Stderr, "%s is a part of labcluster up --real, not a command of its own\n", args[1])
		return 2, true
	}
	if err := part.run(rest); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[0], err)
		return 1, true
	}
	return 0, true
}

type part struct {
	args int
	run  func(args []string) error
}

func parts() map[string]part {
	return map[string]part{
		network.Command: {2, func(a []string) error {
			return network.Enter(context.Background(), a[0], a[1])
		}},
		network.InsideCommand: {3, func(a []string) error {
			socket, err := strconv.Atoi(a[2])
			if err != nil {
				return err
			}
			return network.Run(context.Background(), a[0], a[1], socket)
		}},
		node.Command: {3, func(a []string) error {
			return node.Run(context.Background(), a[0], a[1], a[2])
		}},
		node.WaitCommand:  {3, node.Wait},
		node.StartCommand: {3, func(a []string) error { return node.Start(a[0], a[1], a[2]) }},
	}
}
