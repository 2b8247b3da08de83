// Package skew holds Kubernetes' version skew policy: which versions of a component may run beside
// which API server. See https://kubernetes.io/releases/version-skew-policy/.
package skew

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
)

// Policy is the page that states the rules.
const Policy = "https://kubernetes.io/releases/version-skew-policy/"

// Component is a part of a cluster that has a version of its own.
type Component string

// The components that the policy names.
const (
	APIServer              Component = "kube-apiserver"
	Kubelet                Component = "kubelet"
	KubeProxy              Component = "kube-proxy"
	ControllerManager      Component = "kube-controller-manager"
	Scheduler              Component = "kube-scheduler"
	CloudControllerManager Component = "cloud-controller-manager"
	Kubectl                Component = "kubectl"
)

// rule is how many minor versions a component may be behind and ahead of the API server.
type rule struct{ behind, ahead int }

// threeMinors is the first minor version of kubelet and kube-proxy that may be three minor versions
// behind; older ones may be two.
const threeMinors = 25

// rules is the policy as a table. minor is the component's own minor version.
func rules(c Component, minor int) (rule, bool) {
	nodeRule := rule{behind: 3}
	if minor < threeMinors {
		nodeRule.behind = 2
	}
	table := map[Component]rule{
		APIServer:              {behind: 1, ahead: 1},
		Kubelet:                nodeRule,
		KubeProxy:              nodeRule,
		ControllerManager:      {behind: 1},
		Scheduler:              {behind: 1},
		CloudControllerManager: {behind: 1},
		Kubectl:                {behind: 1, ahead: 1},
	}
	r, known := table[c]
	return r, known
}

// Check says in words why a component of this version must not run beside an API server of that
// version; empty if it may. Versions are as the components report them, such as "v1.37.2" or
// "v1.30.4-eks-a18cd3a". The error says which version cannot be read.
func Check(c Component, componentVersion, apiServerVersion string) (problem string, err error) {
	own, err := parse(c, componentVersion)
	if err != nil {
		return "", err
	}
	server, err := parse(APIServer, apiServerVersion)
	if err != nil {
		return "", err
	}
	if own.Major() == 0 || server.Major() == 0 {
		return "", fmt.Errorf("%s v%s beside %s v%s: the version skew policy does not cover development builds", c, own, APIServer, server)
	}
	r, known := rules(c, int(own.Minor()))
	if !known {
		return "", fmt.Errorf("the version skew policy does not name %s", c)
	}
	return r.problem(c, own, server), nil
}

func parse(c Component, text string) (*version.Version, error) {
	v, err := version.ParseGeneric(text)
	if err != nil {
		return nil, fmt.Errorf("%s reports version %q, which cannot be read", c, text)
	}
	return v, nil
}

func (r rule) problem(c Component, own, server *version.Version) string {
	if own.Major() != server.Major() {
		return fmt.Sprintf("%s v%s has another major version than %s v%s", c, own, APIServer, server)
	}
	behind := int(server.Minor()) - int(own.Minor())
	switch {
	case behind > r.behind:
		return fmt.Sprintf("%s v%s is %d minor versions older than %s v%s; at most %d are supported", c, own, behind, APIServer, server, r.behind)
	case -behind > r.ahead && r.ahead == 0:
		return fmt.Sprintf("%s v%s is newer than %s v%s", c, own, APIServer, server)
	case -behind > r.ahead:
		return fmt.Sprintf("%s v%s is %d minor versions newer than %s v%s; at most %d are supported", c, own, -behind, APIServer, server, r.ahead)
	}
	return ""
}
