// Package simnode makes nodes that exist in the API only. kwok (https://kwok.sigs.k8s.io) keeps them
// and their pods alive; the node server of this package stands for all their kubelets.
package simnode

import (
	_ "embed"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
)

//go:embed stages/pod.yaml
var podStages string

// kwokOptions raises kwok's parallelism, which is meant for a handful of nodes.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 16
  nodeLeaseParallelism: 16
  podsOnNodeSyncParallelism: 4
`

// KwokConfig returns the configuration file for kwok: its own stages for nodes, ours for pods.
func KwokConfig() string {
	return strings.Join([]string{
		kwokOptions,
		nodefast.DefaultNodeInit,
		nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podStages,
	}, "\n---\n")
}
