package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// readDeclared prepares to read what was declared: given, or saved in the cluster.
func (s *Snapshot) readDeclared(given *inventory.Declaration) {
	s.declared = add(s, "the saved inventory", toGet(DeclarationNamespace, "configmaps", DeclarationName), func(ctx context.Context) (*inventory.Declaration, error) {
		if given != nil {
			return given, nil
		}
		cm, err := optional(s.source.Kubernetes.CoreV1().ConfigMaps(DeclarationNamespace).Get(ctx, DeclarationName, metav1.GetOptions{}))
		if err != nil || cm == nil {
			return nil, err
		}
		d, err := inventory.UnmarshalDeclaration(cm.BinaryData[DeclarationKey])
		if err != nil {
			return nil, fmt.Errorf("configmap %s/%s: %w", DeclarationNamespace, DeclarationName, err)
		}
		return d, nil
	})
	pool := schema.GroupVersionResource{Group: "crd.projectcalico.org", Version: "v1", Resource: "ippools"}
	s.ipPools = add(s, "Calico's pools", toList("ippools.crd.projectcalico.org"), func(ctx context.Context) ([]string, error) {
		list, err := optional(s.source.Dynamic.Resource(pool).List(ctx, metav1.ListOptions{}))
		if err != nil || list == nil {
			return nil, err
		}
		var cidrs []string
		for _, item := range list.Items {
			spec, _ := item.Object["spec"].(map[string]any)
			if cidr, ok := spec["cidr"].(string); ok && strings.HasPrefix(item.GetName(), "default-") {
				cidrs = append(cidrs, cidr)
			}
		}
		return cidrs, nil
	})
	s.flannel = add(s, "Flannel's configuration", toGet(kubeSystem, "configmaps", "kube-flannel-cfg"), func(ctx context.Context) (string, error) {
		cm, err := optional(s.source.Kubernetes.CoreV1().ConfigMaps(kubeSystem).Get(ctx, "kube-flannel-cfg", metav1.GetOptions{}))
		if err != nil || cm == nil {
			return "", err
		}
		var cfg struct{ Network, IPv6Network string }
		if err := json.Unmarshal([]byte(cm.Data["net-conf.json"]), &cfg); err != nil {
			return "", fmt.Errorf("configmap %s/kube-flannel-cfg: net-conf.json: %w", kubeSystem, err)
		}
		return strings.Trim(cfg.Network+","+cfg.IPv6Network, ","), nil
	})
}

// pluginRange is the pods' range by the network plugin's own configuration, for clusters whose
// kubeadm configuration has none; empty if nothing tells, or why it could not be read.
func (s *Snapshot) pluginRange(ctx context.Context) (cidrs, why string) {
	ranges := map[string]func(context.Context) (string, error){
		"calico":  s.calicoRange,
		"flannel": s.flannel.fetchNow,
		"cilium":  s.ciliumRange,
	}
	for _, plugin := range s.installed() {
		read, known := ranges[plugin.Name]
		if !known {
			continue
		}
		cidrs, err := read(ctx)
		if err != nil {
			return "", fmt.Sprintf("%s's configuration: %s", plugin.Title, s.words(err))
		}
		if cidrs != "" {
			return cidrs, ""
		}
	}
	return "", ""
}

func (s *Snapshot) calicoRange(ctx context.Context) (string, error) {
	pools, err := s.ipPools.fetchNow(ctx)
	return strings.Join(pools, ","), err
}

func (s *Snapshot) ciliumRange(ctx context.Context) (string, error) {
	cfg, err := s.cilium.fetchNow(ctx)
	return strings.Trim(cfg["cluster-pool-ipv4-cidr"]+","+cfg["cluster-pool-ipv6-cidr"], ","), err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
