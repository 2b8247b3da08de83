package real

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

//go:embed kubeadm.yaml
var initTemplate string

//go:embed join.yaml
var joinTemplate string

//go:embed manifests/local-path.yaml
var localPathTemplate string

//go:embed manifests/metrics-server.yaml
var metricsServerTemplate string

//go:embed manifests/traefik.yaml
var traefikTemplate string

func fill(text string, values any) (string, error) {
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := parsed.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

func pkiDir(config *cluster.Config) string { return filepath.Join(string(config.Dir()), "pki") }

func names(nodes []topology.Node) string {
	list := make([]string, len(nodes))
	for i, node := range nodes {
		list[i] = node.Name
	}
	return strings.Join(list, ", ")
}

// lastLines returns the end of a log, for an error message.
func lastLines(file string) string {
	const lines = 8
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
