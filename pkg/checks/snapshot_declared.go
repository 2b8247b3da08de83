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
// kubeadm configuration has none; empty if nothing tells. The three are asked side by side.
func (s *Snapshot) pluginRange(ctx context.Context) string {
	for _, r := range []anyRead{s.ipPools, s.flannel, s.cilium} {
		r.start(ctx)
	}
	if pools, err := s.ipPools.fetchNow(ctx); err == nil && len(pools) > 0 {
		return strings.Join(pools, ",")
	}
	if network, err := s.flannel.fetchNow(ctx); err == nil && network != "" {
		return network
	}
	cfg, err := s.cilium.fetchNow(ctx)
	if err != nil {
		return ""
	}
	return strings.Trim(cfg["cluster-pool-ipv4-cidr"]+","+cfg["cluster-pool-ipv6-cidr"], ",")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
