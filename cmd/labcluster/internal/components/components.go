// Package components holds the programs that a local cluster consists of: real upstream code, each
// offered as a function so that one binary can be any of them.
//
// It is the only package of this module that imports k8s.io/kubernetes, etcd and kwok. Keep it
// small: whatever imports it takes minutes to compile and seconds to link.
package components

import (
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go metrics on /metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info on /metrics
)

// Names of the components, which are also the names (argv[0]) of their processes.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kwok              = "kwok"
)

// ClearFlags removes the flags that these packages register for every command of the program
// (k8s.io/component-base/version/verflag and others). Commands that are no components call it.
func ClearFlags() { pflag.CommandLine = pflag.NewFlagSet("", pflag.ContinueOnError) }

// Run becomes the component that args[0] names, with the rest of args as its command line, and
// returns its exit code. ok is false if there is no component of that name.
func Run(args []string) (code int, ok bool) {
	switch args[0] {
	case Etcd:
		etcdmain.Main(args)
		return 0, true
	case APIServer:
		return cli.Run(apiserver.NewAPIServerCommand()), true
	case ControllerManager:
		return cli.Run(controllermanager.NewControllerManagerCommand()), true
	case Scheduler:
		return cli.Run(scheduler.NewSchedulerCommand()), true
	case Kwok:
		return runKwok(args[1:]), true
	}
	return 0, false
}
