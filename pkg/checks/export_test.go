package checks

import (
	"context"
	"io"
)

// DialPod opens a connection to a pod's port.
func DialPod(ctx context.Context, s Source, namespace, name string, port int) (io.ReadWriteCloser, error) {
	return dialPod(ctx, s, namespace, name, port)
}

// LoweredLimits are the checks of limits with every limit lowered, as no test fills a cluster up to
// the real ones.
func LoweredLimits(most int) []Check {
	quantities := limitedQuantities()
	for i := range quantities {
		quantities[i].limit.Max = most
	}
	return checksOf(quantities)
}
