package checks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func storageChecks() []Check {
	return []Check{
		{
			ID: "storage-default-class", Category: CategoryStorage, Severity: Error,
			Asserts: "exactly one StorageClass is the default",
			Hint:    `mark one, unmark the others: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true|false --overwrite`,
			reads:   readings(classes), run: checkDefaultClass,
		},
		{
			ID: "storage-provisioners", Category: CategoryStorage, Severity: Error,
			Asserts: "the StorageClasses' provisioners exist in this version of Kubernetes",
			Hint:    "install the CSI driver that replaced the volume plugin, and make a StorageClass for it",
			reads:   readings(classes, csiDrivers, server), run: checkProvisioners,
		},
		{
			ID: "storage-csi-nodes", Category: CategoryStorage, Severity: Warning, Retry: true,
			Asserts: "every CSI driver that runs on some node runs on all of them",
			Hint:    "look at the driver's DaemonSet on that node: kubectl get csinodes, kubectl get daemonsets -A",
			reads:   readings(csiNodes, nodes), run: checkCSINodes,
		},
		{
			ID: "storage-claims", Category: CategoryStorage, Severity: Error, Retry: true,
			Asserts: "every PersistentVolumeClaim is bound",
			Hint:    "see what it waits for: kubectl describe pvc NAME",
			reads:   readings(claims, classes), run: checkClaims,
		},
		{
			ID: "storage-volumes", Category: CategoryStorage, Severity: Error,
			Asserts: "no PersistentVolume has failed",
			Hint:    "see why: kubectl describe pv NAME; its data may still be there",
			reads:   readings(volumes), run: checkVolumes,
		},
		{
			ID: "storage-attachments", Category: CategoryStorage, Severity: Error, Retry: true,
			Asserts: "every volume can be attached and detached",
			Hint:    "look at the CSI driver's controller, and whether the volume is still attached to another node: kubectl get volumeattachments",
			reads:   readings(attachments), run: checkAttachments,
		},
	}
}

// checkDefaultClass calls two defaults an error: since Kubernetes 1.26 the newer one silently wins,
// before, claims without a class were refused.
// See https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass.
func checkDefaultClass(_ context.Context, s *Snapshot) Outcome {
	var defaults []string
	var objects []Object
	for _, c := range s.storageClasses.get() {
		if c.isDefault {
			defaults = append(defaults, c.name)
			objects = append(objects, c.object())
		}
	}
	switch total := len(s.storageClasses.get()); {
	case total == 0:
		return failf(nil, "there is no StorageClass: claims stay unbound unless a volume is made for them").as(Info).
			hintf("install a CSI driver, or with Kubespray: local_path_provisioner_enabled: true")
	case len(defaults) == 0:
		return failf(nil, "none of %s is: claims that name no class stay unbound", count(total, "StorageClass")).as(Warning)
	case len(defaults) > 1:
		return failf(objects, "%d are: %s", len(defaults), names(defaults))
	}
	return passf("%s", defaults[0])
}

// inTree are the provisioners that were part of Kubernetes, and the minor version since which
// nothing serves them. Those with a CSI driver are migrated to it (KEP-625) and work if it is
// installed. Source: https://kubernetes.io/docs/concepts/storage/volumes/.
type inTree struct {
	provisioner string
	goneSince   int // minor version
	migratedTo  string
}

func inTreeProvisioners() []inTree {
	return []inTree{
		{"kubernetes.io/aws-ebs", 27, "ebs.csi.aws.com"},
		{"kubernetes.io/azure-disk", 27, "disk.csi.azure.com"},
		{"kubernetes.io/azure-file", 30, "file.csi.azure.com"},
		{"kubernetes.io/cinder", 26, "cinder.csi.openstack.org"},
		{"kubernetes.io/gce-pd", 28, "pd.csi.storage.gke.io"},
		{"kubernetes.io/vsphere-volume", 30, "csi.vsphere.vmware.com"},
		{"kubernetes.io/glusterfs", 26, ""},
		{"kubernetes.io/quobyte", 25, ""},
		{"kubernetes.io/storageos", 25, ""},
		{"kubernetes.io/flocker", 25, ""},
		{"kubernetes.io/scaleio", 22, ""},
		{"kubernetes.io/rbd", 31, ""},
	}
}

func checkProvisioners(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, c := range s.storageClasses.get() {
		i := slices.IndexFunc(inTreeProvisioners(), func(t inTree) bool {
			return t.provisioner == c.provisioner && s.minor() >= t.goneSince
		})
		switch {
		case i >= 0:
			if reason := inTreeProvisioners()[i].missing(s.csiDrivers.get()); reason != "" {
				found.addf(c.object(), "%s: %s", c.name, reason)
			}
		case looksLikeCSI(c.provisioner) && !hasDriver(s.csiDrivers.get(), c.provisioner):
			found.addf(c.object(), "%s: CSI driver %s is not installed", c.name, c.provisioner)
		}
	}
	return found.outcome(passf("%s", count(len(s.storageClasses.get()), "StorageClass")))
}

// missing says why a provisioner that was removed works no more; empty if its CSI driver is there.
func (t inTree) missing(drivers []csiDriver) string {
	removed := fmt.Sprintf("%s was removed from Kubernetes in v1.%d", t.provisioner, t.goneSince)
	switch {
	case t.migratedTo == "":
		return removed
	case !hasDriver(drivers, t.migratedTo):
		return removed + "; its CSI driver " + t.migratedTo + " is not installed"
	}
	return ""
}

func hasDriver(drivers []csiDriver, name string) bool {
	return slices.ContainsFunc(drivers, func(d csiDriver) bool { return d.name == name })
}

// looksLikeCSI goes by the custom of drivers' names, such as "ebs.csi.aws.com". Other names may be
// external provisioners, such as "rancher.io/local-path", which register nothing.
func looksLikeCSI(provisioner string) bool {
	return !strings.Contains(provisioner, "/") && slices.Contains(strings.Split(provisioner, "."), "csi")
}

func checkCSINodes(_ context.Context, s *Snapshot) Outcome {
	on := map[string]map[string]bool{}
	for _, n := range s.csiNodes.get() {
		for _, d := range n.drivers {
			if on[d] == nil {
				on[d] = map[string]bool{}
			}
			on[d][n.name] = true
		}
	}
	var found problems
	for _, n := range s.nodes.get() {
		for _, d := range slices.Sorted(maps.Keys(on)) {
			if !on[d][n.name] && n.ready() && n.schedulable() {
				found.addf(n.object(), "%s is not on %s", d, n.name)
			}
		}
	}
	return found.outcome(passf("%s", count(len(on), "driver")))
}

// checkClaims passes over claims that wait for their first pod, which is not a fault.
func checkClaims(_ context.Context, s *Snapshot) Outcome {
	waits := map[string]bool{}
	for _, c := range s.storageClasses.get() {
		waits[c.name] = c.waits
	}
	var found problems
	for _, c := range s.claims.get() {
		age := s.age(c.created)
		switch {
		case c.phase == corev1.ClaimLost:
			found.addf(c.object(), "%s/%s has lost its volume", c.namespace, c.name)
		case c.phase == corev1.ClaimPending && !waits[c.class] && age > s.patience:
			found.addf(c.object(), "%s/%s is unbound since %s", c.namespace, c.name, ago(age))
		}
	}
	return found.outcome(passf("%s", count(len(s.claims.get()), "claim")))
}

func checkVolumes(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, v := range s.volumes.get() {
		if v.phase == corev1.VolumeFailed {
			found.addf(v.object(), "%s: %s", v.name, nonEmpty(v.message, "no reason given"))
		}
	}
	return found.outcome(passf("%s", count(len(s.volumes.get()), "volume")))
}

func checkAttachments(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, a := range s.attachments.get() {
		if a.failure != "" {
			found.addf(a.object(), "volume %s on %s: %s", nonEmpty(a.volume, a.name), a.node, printable(a.failure))
		}
	}
	return found.outcome(passf("%s", count(len(s.attachments.get()), "attachment")))
}
