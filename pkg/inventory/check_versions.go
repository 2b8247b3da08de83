package inventory

import (
	"fmt"
	"slices"
	"strings"
)

func versionChecks() []check {
	return []check{
		{"kube-version", "kube_version is a version that the release installs", checkKubeVersion},
		{"removed-variable", "no variable is set that Kubespray no longer reads", checkRemovedVariables},
		{"unsupported-option", "options have values that the release supports", checkOptions},
		{"boolean-as-text", "switches that Kubespray wants as booleans are booleans", checkBooleans},
		{"differs-between-hosts", "what holds for the whole cluster is the same on every host", checkDiffering},
		{"unresolved", "settings are plain values that can be compared with the cluster", checkUnresolved},
	}
}

func checkKubeVersion(c *checker) {
	s := c.declared.KubeVersion
	if s.State != Declared && s.State != Invalid {
		return
	}
	v, text, _ := c.variable(s.Variable)
	if _, err := parseVersion(s.Value); err != nil || strings.Count(s.Value, ".") != 2 {
		fix := "write it with three numbers, such as 1.35.4"
		if v.Value.Kind() == KindFloat {
			fix = "write it with three numbers and in quotes: without quotes 1.30 is the number 1.3"
		}
		c.report(SeverityError, v.Pos, fix, "kube_version is %s, which is no version", v.Value)
		return
	}
	if !c.checkVersionPrefix(v.Pos, text) {
		return
	}
	release, err := FindRelease(c.view.Release())
	if err != nil {
		c.checkVersionOfAny(v.Pos, s.Value)
		return
	}
	if !release.Supports(s.Value) {
		oldest, newest := release.Range()
		c.report(SeverityError, v.Pos, fmt.Sprintf("choose a version from %s to %s, or another Kubespray", oldest, newest),
			"Kubespray %s does not install Kubernetes %s", c.view.Release(), s.Value)
	}
}

// checkVersionPrefix: kube_version begins with a v before v2.28.0 and must not since.
func (c *checker) checkVersionPrefix(pos Position, text string) bool {
	release := c.view.Release()
	if release == "" {
		return true
	}
	if prefixed := strings.HasPrefix(text, "v"); prefixed == !atLeast(release, "v2.28.0") {
		return true
	} else if prefixed {
		c.report(SeverityError, pos, "write "+strings.TrimPrefix(text, "v"), "kube_version begins with a v, which Kubespray refuses since v2.28.0")
	} else {
		c.report(SeverityError, pos, "write v"+text, "kube_version lacks the v at its beginning, which Kubespray wants before v2.28.0")
	}
	return false
}

func (c *checker) checkVersionOfAny(pos Position, version string) {
	var supporting []string
	for _, r := range Releases() {
		if r.Supports(version) {
			supporting = append(supporting, r.Version)
		}
	}
	if len(supporting) == 0 {
		all := Releases()
		c.report(SeverityWarning, pos, "choose a version that your Kubespray has checksums for", "no Kubespray release from %s to %s installs Kubernetes %s", all[0].Version, all[len(all)-1].Version, version)
		return
	}
	span := supporting[0]
	if len(supporting) > 1 {
		span += " to " + supporting[len(supporting)-1]
	}
	newest := Releases()[len(Releases())-1]
	if !newest.Supports(version) {
		c.report(SeverityWarning, pos, "use such a Kubespray, or a newer kube_version", "Kubernetes %s is installed by Kubespray %s only", version, span)
	}
}

// setPosition finds where any host of the inventory sets the variable.
func (c *checker) setPosition(name string) (Variable, bool) {
	if h := c.first(); h != nil {
		if v, ok := c.view.Var(h, name); ok {
			return v, true
		}
	}
	for _, g := range c.inv.Groups() {
		if v, ok := g.Vars()[name]; ok && len(g.Hosts()) > 0 {
			return v, true
		}
	}
	return Variable{}, false
}

func checkRemovedVariables(c *checker) {
	for _, removed := range RemovedVariables() {
		v, set := c.setPosition(removed.Name)
		severity, applies := c.since(removed.Gone)
		if !set || !applies {
			continue
		}
		on, isBool := v.Value.Bool()
		switch {
		case removed.Refused && severity == SeverityError:
			c.report(SeverityError, v.Pos, removed.Instead, "%s was removed, and Kubespray stops when it is set", removed.Name)
		case isBool && !on:
			c.report(SeverityInfo, v.Pos, "remove the line", "%s was removed in Kubespray %s; that it is off changes nothing", removed.Name, removed.Gone)
		default:
			c.report(SeverityWarning, v.Pos, removed.Instead, "%s was removed in Kubespray %s; from then on it is ignored", removed.Name, removed.Gone)
		}
	}
}

// option is a variable with a fixed set of values (roles/validate_inventory/tasks/main.yml).
type option struct {
	variable string
	values   []string
	lifetime // of the value Newer
	newer    string
}

func options() []option {
	return []option{
		{variable: "kube_proxy_mode", values: []string{"iptables", "ipvs"}, newer: "nftables", lifetime: lifetime{Since: "v2.28.0"}},
		{variable: "container_manager", values: []string{"docker", "crio", "containerd"}},
		{variable: "etcd_deployment_type", values: []string{"host", "docker"}, newer: "kubeadm", lifetime: lifetime{Since: "v2.19.0"}},
		{variable: "dns_mode", values: []string{"coredns", "coredns_dual", "manual", "none"}},
		{variable: "resolvconf_mode", values: []string{"docker_dns", "host_resolvconf", "none"}},
		{variable: "cert_management", values: []string{"script", "none"}},
	}
}

func checkOptions(c *checker) {
	for _, o := range options() {
		v, text, known := c.variable(o.variable)
		if !known {
			continue
		}
		values := slices.Clone(o.values)
		if o.newer != "" && o.exists(c.view.Release()) {
			values = append(values, o.newer)
		}
		if !slices.Contains(values, text) {
			c.report(SeverityError, v.Pos, "choose one of "+strings.Join(values, ", "), "%s is %q, which %s does not support", o.variable, text, c.release())
		}
	}
	etcd, runtime := c.declared.EtcdDeployment, c.declared.ContainerRun
	if etcd.Known() && etcd.Value == "docker" && runtime.Known() && runtime.Value != "docker" {
		c.report(SeverityError, c.pos(etcd.Variable), "set etcd_deployment_type: host", "etcd_deployment_type docker needs container_manager docker, but it is %s", runtime.Value)
	}
}

// checkBooleans: an INI file's true is text, and Kubespray stops at these.
func checkBooleans(c *checker) {
	for _, name := range []string{"download_run_once", "download_always_pull", "helm_enabled", "openstack_lbaas_enabled"} {
		v, text, known := c.variable(name)
		if _, isWord := boolWord(text); known && isWord && v.Value.Kind() == KindString {
			c.report(SeverityError, v.Pos, "write True or False in an INI file, true or false without quotes in YAML", "%s is the text %q, and Kubespray wants a boolean", name, text)
		}
	}
}

// clusterVariables hold for the whole cluster; Kubespray reads them on the first control plane host.
func clusterVariables() []string {
	return []string{
		"kube_version", "kube_service_addresses", "kube_pods_subnet", "kube_network_plugin", "kube_network_plugin_multus",
		"kube_network_node_prefix", "dns_domain", "cluster_name", "kube_proxy_mode", "etcd_deployment_type",
	}
}

func checkDiffering(c *checker) {
	first := c.first()
	if first == nil {
		return
	}
	for _, name := range clusterVariables() {
		want, wanted := c.view.Var(first, name)
		for _, h := range c.view.Cluster() {
			have, set := c.view.Var(h, name)
			if set != wanted || !have.Value.Equal(want.Value) {
				c.report(SeverityWarning, cmpPos(have.Pos, want.Pos), "set it once, in group_vars/k8s_cluster", "%s on %s is not what it is on %s", name, h.Name, first.Name)
				break
			}
		}
	}
}

func checkUnresolved(c *checker) {
	for _, s := range c.declared.Settings() {
		if s.State == Unresolved {
			c.report(SeverityInfo, c.pos(s.Variable), "write the value itself to have it compared with the cluster", "%s is a template, %s, so it cannot be compared", s.Variable, s.Value)
		}
	}
}
