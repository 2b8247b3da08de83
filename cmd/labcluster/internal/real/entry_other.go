//go:build !linux

package real

// Run becomes the part of the cluster that args name. There are none but on Linux.
func Run([]string) (code int, ok bool) { return 0, false }
