//go:build linux

package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

func TestParseKubeletFlags(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"kubeadm's":     {"KUBELET_KUBEADM_ARGS=\"--node-ip=192.168.0.104 --v=2\"\n", []string{"--node-ip=192.168.0.104", "--v=2"}},
		"after others":  {"# comment\nOTHER=x\nKUBELET_KUBEADM_ARGS=\"--a=b\"\n", []string{"--a=b"}},
		"without quote": {"KUBELET_KUBEADM_ARGS=--a=b", []string{"--a=b"}},
		"none":          {"", nil},
		"empty":         {`KUBELET_KUBEADM_ARGS=""`, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseKubeletFlags(test.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseKubeletFlags(f *testing.F) {
	f.Add("KUBELET_KUBEADM_ARGS=\"--node-ip=192.168.0.104 --v=2\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, flag := range parseKubeletFlags(text) {
			if flag == "" || strings.ContainsAny(flag, " \n") {
				t.Errorf("flag %q from %q", flag, text)
			}
		}
	})
}

func TestFiles(t *testing.T) {
	config := cluster.New("/x", cluster.Real, "lab-real", []string{"k8s01", "k8s02"})
	node, err := topology.Find(config, "k8s02")
	if err != nil {
		t.Fatal(err)
	}
	files, err := files(config, node)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"etc/hosts":                     "192.168.0.105 k8s02\n",
		"etc/hostname":                  "k8s02\n",
		"etc/resolv.conf":               "nameserver 192.168.0.1\n",
		"etc/cni/net.d/10-lab.conflist": `"subnet": "10.233.65.0/24", "gateway": "10.233.65.1"`,
		containerdConfig:                `sandbox = "lab.local/pause:`,
		"etc/containerd/certs.d/_default/hosts.toml": `server = "http://192.168.0.1:5000"`,
	} {
		if !strings.Contains(files[path], want) {
			t.Errorf("%s lacks %q:\n%s", path, want, files[path])
		}
	}
}

func TestEscapeOption(t *testing.T) {
	if got, want := escapeOption(`/a,b:c\d`), `/a\,b\:c\\d`; got != want {
		t.Errorf("escapeOption = %s, want %s", got, want)
	}
}
