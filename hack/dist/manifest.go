package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
)

// manifest is a krew plugin manifest. The fields are those of krew's API
// krew.googlecontainertools.github.com/v1alpha2, kind Plugin
// (https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/).
type manifest struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   metadata     `json:"metadata"`
	Spec       manifestSpec `json:"spec"`

	releases string // where the archives are downloaded from
}

type metadata struct {
	Name string `json:"name"`
}

type manifestSpec struct {
	Version          string             `json:"version"`
	Homepage         string             `json:"homepage"`
	ShortDescription string             `json:"shortDescription"`
	Description      string             `json:"description"`
	Caveats          string             `json:"caveats"`
	Platforms        []manifestPlatform `json:"platforms"`
}

type manifestPlatform struct {
	Selector selector `json:"selector"`
	URI      string   `json:"uri"`
	SHA256   string   `json:"sha256"`
	Bin      string   `json:"bin"`
}

type selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

func newManifest(module, version string) *manifest {
	return &manifest{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2",
		Kind:       "Plugin",
		Metadata:   metadata{Name: cli.Plugin},
		Spec: manifestSpec{
			Version:          version,
			Homepage:         "https://" + module,
			ShortDescription: "A Kubernetes lab manual as commands",
			Description: `Works through a Kubernetes lab: checks an installation and says what to
mend, compares it with the Kubespray inventory that declared it, labels
nodes, creates pods and services, fetches the admin token, and shows the
whole cluster on one screen.
`,
			Caveats: fmt.Sprintf(`Start with:
  kubectl %[1]s status
For completions in your shell, copy %[2]s from the plugin's folder to a
folder in your PATH:
  cp "$(dirname "$(readlink -f "$(command -v kubectl-%[1]s)")")/%[2]s" ~/.local/bin/
`, cli.Plugin, completionShim),
		},
		releases: fmt.Sprintf("https://%s/releases/download/%s/", module, version),
	}
}

func (m *manifest) add(p platform, sha256 string) {
	m.Spec.Platforms = append(m.Spec.Platforms, manifestPlatform{
		Selector: selector{MatchLabels: map[string]string{"os": p.os, "arch": p.arch}},
		URI:      m.releases + p.archive(m.Spec.Version),
		SHA256:   sha256,
		Bin:      p.binary(),
	})
}

func (m *manifest) write(name string) error {
	data, err := yaml.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding the krew manifest: %w", err)
	}
	return os.WriteFile(name, data, 0o644)
}
