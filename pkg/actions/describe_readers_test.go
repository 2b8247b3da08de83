package actions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTally(t *testing.T) {
	t.Parallel()
	tally := Tally{"b": 2, "a": 2, "c": 1500, "": 1}
	if diff := cmp.Diff([]string{"c", "a", "b", ""}, tally.Ranked()); diff != "" {
		t.Error(diff)
	}
	if got, want := tally.String(), "c 1,500, a 2, b 2, (unknown) 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if name, count := tally.Most(); name != "c" || count != 1500 {
		t.Errorf("most: %s %d", name, count)
	}
	if name, count := (Tally{}).Most(); name != "" || count != 0 {
		t.Errorf("most of nothing: %q %d", name, count)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	tests := []struct {
		items []string
		total int
		want  string
	}{
		{nil, 0, ""},
		{[]string{"a"}, 1, "a"},
		{[]string{"a", "b"}, 1234, "a, b and 1,232 more"},
		{[]string{long, "b"}, 2, long + " and 1 more"},
	}
	for _, tt := range tests {
		if got := listing(tt.items, tt.total); got != tt.want {
			t.Errorf("listing(%q, %d) = %q, want %q", tt.items, tt.total, got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 150000: "150,000", 1234567: "1,234,567", -4: "-4", -1234: "-1,234", -999: "-999"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 24 << 30: "24 GiB", 5000 * 64 << 30: "312.5 TiB"} {
		if got := binary(n); got != want {
			t.Errorf("binary(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 pods", 1: "1 pod", 1500: "1,500 pods"} {
		if got := plural(n, "pod"); got != want {
			t.Errorf("plural(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"registry.k8s.io/kube-proxy:v1.37.2":                "v1.37.2",
		"localhost:5000/kube-proxy:v1.37.2@sha256:abc":      "v1.37.2",
		"localhost:5000/kube-proxy":                         "",
		"nginx:1.15":                                        "",
		"nginx":                                             "",
		"registry.k8s.io/coredns/coredns:v1.12.4":           "v1.12.4",
		"registry.k8s.io/kube-apiserver@sha256:0123456789a": "",
	} {
		if got := versionOf(image); got != want {
			t.Errorf("versionOf(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestRolesOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		labels map[string]string
		want   []string
	}{
		{nil, []string{"worker"}},
		{map[string]string{"node-role.kubernetes.io/": ""}, []string{"worker"}},
		{map[string]string{"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/etcd": ""}, []string{"control-plane", "etcd"}},
		{map[string]string{"kubernetes.io/role": "master"}, []string{"master"}},
		{map[string]string{"kubernetes.io/role": "master", "node-role.kubernetes.io/master": ""}, []string{"master"}},
	}
	for _, tt := range tests {
		if got := rolesOf(tt.labels); !slices.Equal(got, tt.want) {
			t.Errorf("rolesOf(%v) = %q, want %q", tt.labels, got, tt.want)
		}
	}
}

func TestPodsReader(t *testing.T) {
	t.Parallel()
	var r podsReader
	for _, row := range [][]string{
		{"2/2", "Running", "0", "n1"},
		{"0/1", "CrashLoopBackOff", "7 (3m ago)", "n1"},
		{"0/1", "Pending", "0", "<none>"},
		{"0/2", "Completed", "1", "n1"},
		{"1/1", "Running", "0", "n2"},
		{"", "Unknown", "x", ""},
	} {
		var cells [][]byte
		for _, cell := range row {
			cells = append(cells, []byte(cell))
		}
		if err := r.add(cells); err != nil {
			t.Fatal(err)
		}
	}
	want := &PodsDescription{
		Total:      6,
		ByStatus:   Tally{"Running": 2, "CrashLoopBackOff": 1, "Pending": 1, "Completed": 1, "Unknown": 1},
		Containers: 7, Restarts: 8, BusiestNode: "n1", BusiestNodePods: 2,
	}
	if diff := cmp.Diff(want, r.description()); diff != "" {
		t.Error(diff)
	}
}

func TestEndpointsReader(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	slice := func(namespace, service string, ready ...*bool) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
		for _, r := range ready {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: r}})
		}
		return s
	}
	var endpoints endpointsReader
	var services servicesReader
	for _, s := range []*discoveryv1.EndpointSlice{
		slice("default", "kubernetes", &yes, &yes, &no),
		slice("a", "ready", &no), slice("a", "ready", nil),
		slice("a", "unready", &no), slice("a", "empty"),
	} {
		if err := endpoints.add(s); err != nil {
			t.Fatal(err)
		}
	}
	for name, kind := range map[string]corev1.ServiceType{"ready": "ClusterIP", "unready": "NodePort", "empty": "ClusterIP", "unknown": "LoadBalancer", "elsewhere": "ExternalName"} {
		if err := services.add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.ServiceSpec{Type: kind, Selector: map[string]string{"a": "b"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := services.add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "by-hand"}, Spec: corev1.ServiceSpec{Type: "ClusterIP"}}); err != nil {
		t.Fatal(err)
	}
	if endpoints.apiServers != 2 {
		t.Errorf("%d API servers", endpoints.apiServers)
	}
	without := 3
	want := &ServicesDescription{
		Total: 6, ByType: Tally{"ClusterIP": 3, "NodePort": 1, "LoadBalancer": 1, "ExternalName": 1},
		WithoutBackends: &without, WithoutBackendsOf: []string{"a/empty", "a/unknown", "a/unready"},
	}
	if diff := cmp.Diff(want, services.description(endpoints.ready, true)); diff != "" {
		t.Error(diff)
	}
}

func TestWarningsReader(t *testing.T) {
	t.Parallel()
	at := func(minute int) metav1.Time {
		return metav1.NewTime(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
	}
	pod := func(name string) corev1.ObjectReference {
		return corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: "ns", Name: name}
	}
	var r warningsReader
	for _, event := range []*corev1.Event{
		{Reason: "BackOff", InvolvedObject: pod("a"), Count: 3, LastTimestamp: at(5), Message: "old"},
		{Reason: "BackOff", InvolvedObject: pod("b"), Count: 4, LastTimestamp: at(6), Message: "new"},
		{Reason: "BackOff", InvolvedObject: pod("b"), EventTime: metav1.MicroTime(at(1)), Series: &corev1.EventSeries{Count: 5, LastObservedTime: metav1.MicroTime(at(2))}},
		{Reason: "FailedScheduling", InvolvedObject: pod("c"), EventTime: metav1.MicroTime(at(9)), Message: "no node"},
		{Reason: "BackOff", InvolvedObject: corev1.ObjectReference{Kind: "Job", Name: "j"}, FirstTimestamp: at(3)},
	} {
		if err := r.add(event); err != nil {
			t.Fatal(err)
		}
	}
	want := &WarningsDescription{Total: 5, Groups: []WarningGroup{
		{Reason: "FailedScheduling", Kind: "Pod", Objects: 1, Count: 1, LastSeen: at(9), Object: ObjectRef{"v1", "Pod", "ns", "c"}, Message: "no node"},
		{Reason: "BackOff", Kind: "Pod", Objects: 2, Count: 12, LastSeen: at(6), Object: ObjectRef{"v1", "Pod", "ns", "b"}, Message: "new"},
		{Reason: "BackOff", Kind: "Job", Objects: 1, Count: 1, LastSeen: at(3), Object: ObjectRef{Kind: "Job", Name: "j"}},
	}}
	if diff := cmp.Diff(want, r.description()); diff != "" {
		t.Error(diff)
	}
}

func TestStaticPodsReader(t *testing.T) {
	t.Parallel()
	var r staticPodsReader
	pod := func(component, image string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"component": component}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Image: image}}},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	for _, p := range []*corev1.Pod{
		pod("kube-scheduler", "r/kube-scheduler:v1.37.2", corev1.ConditionTrue),
		pod("kube-scheduler", "r/kube-scheduler:v1.36.1", corev1.ConditionFalse),
		pod("etcd", "r/etcd:3.7.0-0", corev1.ConditionTrue),
		pod("", "r/x:v1", corev1.ConditionTrue),
	} {
		if err := r.add(p); err != nil {
			t.Fatal(err)
		}
	}
	want := []ComponentDescription{{Name: "etcd", Ready: 1, Wanted: 1}, {Name: "kube-scheduler", Ready: 1, Wanted: 2, Version: "v1.36.1"}}
	if diff := cmp.Diff(want, r.components()); diff != "" {
		t.Error(diff)
	}
}

func TestJudgeSkew(t *testing.T) {
	t.Parallel()
	d := &ClusterDescription{
		Version: &VersionDescription{Server: "v1.37.2"},
		Nodes:   &NodesDescription{Total: 3, Kubelets: Tally{"v1.37.2": 2, "v1.33.0": 1, "fake": 1}},
		System: []ComponentDescription{
			{Name: "kube-proxy", Version: "v1.38.0"}, {Name: "kube-scheduler", Version: "v1.36.0"}, {Name: "coredns", Version: "v1.12.4"},
			{Name: "kube-controller-manager"},
		},
	}
	d.judgeSkew()
	want := &VersionDescription{
		Server: "v1.37.2",
		Skew: []string{
			"kubelet v1.33.0 is 4 minor versions older than kube-apiserver v1.37.2; at most 3 are supported",
			"kube-proxy v1.38.0 is newer than kube-apiserver v1.37.2",
		},
		Unjudged: []string{`kubelet reports version "fake", which cannot be read`},
	}
	if diff := cmp.Diff(want, d.Version); diff != "" {
		t.Error(diff)
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"쿠버네티스", 3, "쿠버…"}} {
		if got := shorten(tt.text, tt.most); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}

// TestFactsStayShort: however many zones, versions and namespaces there are, a fact is one line.
func TestFactsStayShort(t *testing.T) {
	t.Parallel()
	many := Tally{}
	var names []string
	for i := range 500 {
		many[fmt.Sprintf("something-with-a-long-name-%d", i)] = 1000 + i
		names = append(names, fmt.Sprintf("something-with-a-long-name-%d", i))
	}
	count := 500
	d := &ClusterDescription{
		Version:    &VersionDescription{Server: "v1.37.2", Skew: names},
		Nodes:      &NodesDescription{Total: 5000, NotReady: names, Roles: many, Zones: many, Kubelets: many, Runtimes: many},
		Pods:       &PodsDescription{Total: 150_000, ByStatus: many, Restarts: 5},
		Namespaces: &count, PodsByNamespace: many,
		Services: &ServicesDescription{Total: 500, ByType: many, WithoutBackends: &count, WithoutBackendsOf: names},
		Unread:   []UnreadPart{{Part: "events", Error: strings.Repeat("long ", 100)}},
	}
	for _, name := range names {
		d.System = append(d.System, ComponentDescription{Name: name})
	}
	for _, fact := range d.facts() {
		if n := utf8.RuneCountInString(fact.Value.Value); n > factWidth {
			t.Errorf("%s has %d characters: %s", fact.Name, n, fact.Value.Value)
		}
	}
}
