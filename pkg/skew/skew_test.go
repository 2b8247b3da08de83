package skew_test

import (
	"testing"

	"github.com/kubectl-lab/kubectl-lab/pkg/skew"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name      string
		component skew.Component
		own       string
		server    string
		want      string
	}{
		{"same", skew.Kubelet, "v1.37.2", "v1.37.2", ""},
		{"patch versions do not matter", skew.Kubelet, "v1.37.9", "v1.37.0", ""},
		{"kubelet three behind", skew.Kubelet, "v1.34.0", "v1.37.2", ""},
		{"kubelet four behind", skew.Kubelet, "v1.33.0", "v1.37.2", "kubelet v1.33.0 is 4 minor versions older than kube-apiserver v1.37.2; at most 3 are supported"},
		{"old kubelet two behind", skew.Kubelet, "v1.24.1", "v1.26.0", ""},
		{"old kubelet three behind", skew.Kubelet, "v1.24.1", "v1.27.0", "kubelet v1.24.1 is 3 minor versions older than kube-apiserver v1.27.0; at most 2 are supported"},
		{"kubelet newer", skew.Kubelet, "v1.38.0", "v1.37.2", "kubelet v1.38.0 is newer than kube-apiserver v1.37.2"},
		{"kube-proxy newer", skew.KubeProxy, "v1.38.0", "v1.37.2", "kube-proxy v1.38.0 is newer than kube-apiserver v1.37.2"},
		{"scheduler one behind", skew.Scheduler, "v1.36.0", "v1.37.2", ""},
		{"scheduler two behind", skew.Scheduler, "v1.35.0", "v1.37.2", "kube-scheduler v1.35.0 is 2 minor versions older than kube-apiserver v1.37.2; at most 1 are supported"},
		{"kubectl one ahead", skew.Kubectl, "v1.38.0", "v1.37.2", ""},
		{"kubectl two ahead", skew.Kubectl, "v1.39.0", "v1.37.2", "kubectl v1.39.0 is 2 minor versions newer than kube-apiserver v1.37.2; at most 1 are supported"},
		{"vendor suffixes", skew.Kubelet, "v1.30.4-eks-a18cd3a", "v1.30.9+k3s1", ""},
		{"major version", skew.Kubelet, "v2.0.0", "v1.37.2", "kubelet v2.0.0 has another major version than kube-apiserver v1.37.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := skew.Check(tt.component, tt.own, tt.server)
			if err != nil {
				t.Fatalf("Check: %v", err)
			}
			if got != tt.want {
				t.Errorf("Check = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	tests := []struct {
		name        string
		component   skew.Component
		own, server string
		want        string
	}{
		{"no version", skew.Kubelet, "", "v1.37.2", `kubelet reports version "", which cannot be read`},
		{"garbage", skew.Kubelet, "fake", "v1.37.2", `kubelet reports version "fake", which cannot be read`},
		{"server's", skew.Kubelet, "v1.37.2", "?", `kube-apiserver reports version "?", which cannot be read`},
		{"development build", skew.Kubelet, "v1.37.2", "v0.0.0-master+abc", "kubelet v1.37.2 beside kube-apiserver v0.0.0: the version skew policy does not cover development builds"},
		{"component", "etcd", "v3.7.0", "v1.37.2", "the version skew policy does not name etcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := skew.Check(tt.component, tt.own, tt.server); err == nil || err.Error() != tt.want {
				t.Errorf("Check: error %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("v1.37.2", "v1.34.0-rc.1")
	f.Add("1", "v1.99999999999999999999")
	f.Fuzz(func(t *testing.T, own, server string) {
		problem, err := skew.Check(skew.Kubelet, own, server)
		if err != nil && problem != "" {
			t.Errorf("both a problem %q and an error %v", problem, err)
		}
	})
}
