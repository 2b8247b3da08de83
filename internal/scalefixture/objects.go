package scalefixture

import (
	"fmt"
	"hash/fnv"
	"iter"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func created() metav1.Time { return metav1.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC) }

func uid(namespace, name string) types.UID {
	h := fnv.New128a()
	fmt.Fprintf(h, "%s/%s", namespace, name)
	sum := h.Sum(nil)
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:]))
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }

func nodes(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Nodes {
			if node := newNode(i); !yield(entry{"minions/" + node.Name, node}) {
				return
			}
		}
	}
}

// newNode is a node with what makes real ones large: labels, addresses, conditions and forty images.
func newNode(i int) *corev1.Node {
	node := &corev1.Node{ObjectMeta: meta("", nodeName(i))}
	node.Labels = map[string]string{
		corev1.LabelHostname:           node.Name,
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         "amd64",
		corev1.LabelTopologyZone:       "zone-" + string(rune('a'+i%3)),
		corev1.LabelTopologyRegion:     "region-1",
		corev1.LabelInstanceTypeStable: "large",
	}
	if i < 3 {
		node.Labels["node-role.kubernetes.io/control-plane"] = ""
	}
	resources := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("16"),
		corev1.ResourceMemory:           resource.MustParse("64Gi"),
		corev1.ResourcePods:             resource.MustParse("110"),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
	ready := corev1.ConditionTrue
	if i%100 == 50 {
		ready = corev1.ConditionUnknown
	}
	node.Spec.PodCIDR = fmt.Sprintf("10.%d.%d.0/24", 64+i/256, i%256)
	node.Status = corev1.NodeStatus{
		Capacity:    resources,
		Allocatable: resources,
		Conditions: []corev1.NodeCondition{
			condition(corev1.NodeMemoryPressure, corev1.ConditionFalse),
			condition(corev1.NodeDiskPressure, corev1.ConditionFalse),
			condition(corev1.NodePIDPressure, corev1.ConditionFalse),
			condition(corev1.NodeReady, ready),
		},
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.%d.%d", i/250, i%250+1)},
			{Type: corev1.NodeHostName, Address: node.Name},
		},
		NodeInfo: corev1.NodeSystemInfo{
			KernelVersion: "6.18.0", OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://2.4.2",
			KubeletVersion: "v1.37.2", OperatingSystem: "linux", Architecture: "amd64",
		},
	}
	for n := range 40 {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names:     []string{fmt.Sprintf("registry.example.com/team/service-%02d:v1.%d.0", n, n), fmt.Sprintf("registry.example.com/team/service-%02d@sha256:%064x", n, n)},
			SizeBytes: int64(n) << 20,
		})
	}
	return node
}

func condition(kind corev1.NodeConditionType, status corev1.ConditionStatus) corev1.NodeCondition {
	return corev1.NodeCondition{
		Type: kind, Status: status, LastHeartbeatTime: created(), LastTransitionTime: created(),
		Reason: "Kubelet" + string(kind), Message: "kubelet reports " + string(kind),
	}
}

func pods(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Pods {
			if pod := newPod(i, size); !yield(entry{"pods/" + pod.Namespace + "/" + pod.Name, pod}) {
				return
			}
		}
	}
}

// newPod is a Deployment's pod with two containers, as large as real ones are.
func newPod(i int, size Size) *corev1.Pod {
	app := fmt.Sprintf("app-%04d", i/10)
	pod := &corev1.Pod{ObjectMeta: meta(namespaceName(i%size.Namespaces), fmt.Sprintf("%s-5d4f8b7c9d-%06d", app, i))}
	pod.GenerateName = app + "-5d4f8b7c9d-"
	pod.Labels = map[string]string{"app": app, "pod-template-hash": "5d4f8b7c9d"}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(&metav1.ObjectMeta{Name: app + "-5d4f8b7c9d", UID: uid("", app)}, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	if size.ManagedFields {
		pod.ManagedFields = managedFields()
	}
	seconds := int64(30)
	pod.Spec = corev1.PodSpec{
		Containers:                    []corev1.Container{newContainer("main"), newContainer("sidecar")},
		Volumes:                       []corev1.Volume{{Name: "kube-api-access", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		NodeName:                      nodeName(i % size.Nodes),
		ServiceAccountName:            "default",
		DeprecatedServiceAccount:      "default",
		SchedulerName:                 corev1.DefaultSchedulerName,
		RestartPolicy:                 corev1.RestartPolicyAlways,
		DNSPolicy:                     corev1.DNSClusterFirst,
		TerminationGracePeriodSeconds: &seconds,
		SecurityContext:               &corev1.PodSecurityContext{},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		},
	}
	pod.Status = newPodStatus(i)
	if pod.Status.Phase == corev1.PodPending {
		pod.Spec.NodeName = ""
	}
	return pod
}

func newContainer(name string) corev1.Container {
	c := corev1.Container{
		Name: name, Image: "registry.example.com/team/" + name + ":v1.2.3", ImagePullPolicy: corev1.PullIfNotPresent,
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		Ports:        []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}},
	}
	for n := range 8 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", n), Value: fmt.Sprintf("a value of ordinary length, number %d", n)})
	}
	return c
}

func newPodStatus(i int) corev1.PodStatus {
	status := corev1.PodStatus{Phase: corev1.PodRunning, QOSClass: corev1.PodQOSBurstable}
	ip := fmt.Sprintf("10.%d.%d.%d", 64+i>>16, i>>8&255, i&255)
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: created()}}
	ready, restarts := true, int32(0)
	switch i % 100 {
	case 10:
		status.Phase = corev1.PodPending
		return status
	case 20:
		state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting failed container"}}
		ready, restarts = false, 7
	case 30:
		status.Phase = corev1.PodSucceeded
		state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: created()}}
		ready = false
	}
	start := created()
	status.StartTime, status.PodIP, status.PodIPs = &start, ip, []corev1.PodIP{{IP: ip}}
	for _, kind := range []corev1.PodConditionType{corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: created()})
	}
	for _, name := range []string{"main", "sidecar"} {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, State: state, Ready: ready, RestartCount: restarts, Started: &ready,
			Image:       "registry.example.com/team/" + name + ":v1.2.3",
			ImageID:     fmt.Sprintf("registry.example.com/team/%s@sha256:%064x", name, 1),
			ContainerID: fmt.Sprintf("containerd://%064x", i),
		})
	}
	return status
}

func managedFields() []metav1.ManagedFieldsEntry {
	entry := func(manager, fields string) metav1.ManagedFieldsEntry {
		now := created()
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &now,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	return []metav1.ManagedFieldsEntry{
		entry("kube-controller-manager", `{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"x\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"SETTING_0\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}`),
		entry("kubelet", `{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Initialized\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{},"f:startTime":{}}}`),
	}
}

func serviceName(i int) string { return fmt.Sprintf("service-%05d", i) }

// services are headless: for an address that it did not allocate the API server would complain in events.
func services(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Services {
			service := &corev1.Service{ObjectMeta: meta(namespaceName(i%size.Namespaces), serviceName(i))}
			single := corev1.IPFamilyPolicySingleStack
			service.Spec = corev1.ServiceSpec{
				Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone, ClusterIPs: []string{corev1.ClusterIPNone},
				IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, IPFamilyPolicy: &single,
				Selector:        map[string]string{"app": fmt.Sprintf("app-%04d", i)},
				Ports:           []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080), Protocol: corev1.ProtocolTCP}},
				SessionAffinity: corev1.ServiceAffinityNone,
			}
			if !yield(entry{"services/specs/" + service.Namespace + "/" + service.Name, service}) {
				return
			}
		}
	}
}

func endpointSlices(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Services {
			slice := &discoveryv1.EndpointSlice{ObjectMeta: meta(namespaceName(i%size.Namespaces), serviceName(i)+"-abcde"), AddressType: discoveryv1.AddressTypeIPv4}
			slice.Labels = map[string]string{discoveryv1.LabelServiceName: serviceName(i), discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"}
			ready := i%50 != 7
			for n := range 4 {
				slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
					Addresses:  []string{fmt.Sprintf("10.65.%d.%d", i/250, (i*4+n)%250+1)},
					Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready},
				})
			}
			if !yield(entry{"endpointslices/" + slice.Namespace + "/" + slice.Name, slice}) {
				return
			}
		}
	}
}

func deployments(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Deployments {
			app := fmt.Sprintf("app-%04d", i)
			d := &appsv1.Deployment{ObjectMeta: meta(namespaceName(i%size.Namespaces), app)}
			replicas, ready := int32(10), int32(10)
			if i%100 == 42 {
				ready = 9
			}
			labels := map[string]string{"app": app}
			d.Spec = appsv1.DeploymentSpec{
				Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{newContainer("main"), newContainer("sidecar")}},
				},
			}
			d.Status = appsv1.DeploymentStatus{Replicas: 10, UpdatedReplicas: 10, ReadyReplicas: ready, AvailableReplicas: ready}
			if !yield(entry{"deployments/" + d.Namespace + "/" + d.Name, d}) {
				return
			}
		}
	}
}

func events(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Warnings * 3 {
			namespace := namespaceName(i % size.Namespaces)
			e := &corev1.Event{ObjectMeta: meta(namespace, fmt.Sprintf("event.%06x", i))}
			e.Type, e.Reason, e.Message = corev1.EventTypeNormal, "Pulled", "Container image already present on machine"
			if i%3 == 0 {
				e.Type, e.Reason, e.Message = corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container main"
			}
			e.InvolvedObject = corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: namespace, Name: fmt.Sprintf("app-%04d", i)}
			at := metav1.NewTime(created().Add(time.Duration(i) * time.Second))
			e.FirstTimestamp, e.LastTimestamp, e.Count = created(), at, 3
			e.Source = corev1.EventSource{Component: "kubelet", Host: nodeName(0)}
			if !yield(entry{"events/" + namespace + "/" + e.Name, e}) {
				return
			}
		}
	}
}
