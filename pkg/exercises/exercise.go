// Package exercises runs the manual's exercises and verifies what each of them is to show. An
// exercise is a folder of manifests and an exercise.yaml: a text, and steps, each with what it does
// and what must hold afterwards. The steps run in order, since each builds on the one before; each
// ends as soon as what it expects holds, or fails when its time is up.
package exercises

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion and Kind are those of exercise.yaml.
const (
	APIVersion = "kubectl-lab.github.io/v1alpha1"
	Kind       = "Exercise"
)

// Exercise is one exercise.yaml.
type Exercise struct {
	metav1.TypeMeta `json:",inline"`
	// Name is what the user calls it, such as "service".
	Name string `json:"name"`
	// Number orders the exercises; it is also the prefix of the folder.
	Number int `json:"number"`
	// Title says in one line what it shows.
	Title string `json:"title"`
	// Section is the manual's section.
	Section string `json:"section"`
	// Text says what it teaches.
	Text string `json:"text"`
	// Try are kubectl commands to try by hand, one a line; lines starting with # are remarks.
	Try []string `json:"try"`
	// Needs are what the cluster must have; the exercise is skipped otherwise.
	Needs []Need `json:"needs,omitempty"`
	// Images are the images that it uses, for those who mirror them.
	Images []string `json:"images"`
	// Steps run in order.
	Steps []Step `json:"steps"`
	// Cleanup undoes what is left outside of the exercise's own namespaces.
	Cleanup Cleanup `json:"cleanup,omitempty"`

	folder string
}

// Need is something that a cluster may lack.
type Need string

// The needs.
const (
	// NeedTwoWorkers is two nodes that take ordinary pods.
	NeedTwoWorkers Need = "two-workers"
	// NeedStorageClass is a default StorageClass.
	NeedStorageClass Need = "default-storage-class"
	// NeedMetrics is the resource metrics API (metrics.k8s.io).
	NeedMetrics Need = "metrics-api"
	// NeedIngress is an IngressClass, and so a controller.
	NeedIngress Need = "ingress-class"
	// NeedOperator is somebody who can power a node off: a person, or labcluster.
	NeedOperator Need = "operator"
)

// Step is one line of the checklist. What it does comes first, in the order of the fields; then all
// that it expects must hold at once.
type Step struct {
	// Expect says what must hold, as a clause.
	Expect string `json:"expect"`
	// Needs are what this step needs beyond the exercise; it is skipped otherwise.
	Needs []Need `json:"needs,omitempty"`
	// Timeout bounds the step; zero means a minute.
	Timeout metav1.Duration `json:"timeout,omitempty"`
	// Hint says where to look if it fails.
	Hint string `json:"hint,omitempty"`

	// Lab are command lines of this program, without "kubectl lab".
	Lab []string `json:"lab,omitempty"`
	// Certificate makes a certificate for a host.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Apply are files of the exercise's folder.
	Apply []string `json:"apply,omitempty"`
	// Patch changes objects by a strategic merge patch.
	Patch []Patch `json:"patch,omitempty"`
	// Delete deletes objects, and does not wait until they are gone.
	Delete []Ref `json:"delete,omitempty"`
	// Rollback takes a Deployment back to its revision before.
	Rollback string `json:"rollback,omitempty"`
	// Operator is what somebody must do with the machines, such as "stop $(worker2)".
	Operator string `json:"operator,omitempty"`
	// During sends requests from before the first change until all that is expected holds.
	During *During `json:"during,omitempty"`

	Fields  []Field  `json:"fields,omitempty"`
	Gone    []Ref    `json:"gone,omitempty"`
	Exec    []Exec   `json:"exec,omitempty"`
	Logs    []Logs   `json:"logs,omitempty"`
	HTTP    []HTTP   `json:"http,omitempty"`
	HTTPS   []HTTPS  `json:"https,omitempty"`
	Traffic *Traffic `json:"traffic,omitempty"`
	Denied  *Denied  `json:"denied,omitempty"`
	Token   *Token   `json:"token,omitempty"`
}

// stepTimeout is a step's time unless it says otherwise.
const stepTimeout = time.Minute

func (s Step) timeout() time.Duration {
	if s.Timeout.Duration > 0 {
		return s.Timeout.Duration
	}
	return stepTimeout
}

// Ref names an object, or with a Selector all objects with these labels.
type Ref struct {
	// Kind is as kubectl takes it: "pod", "deployment", "deploy".
	Kind     string `json:"kind"`
	Name     string `json:"name,omitempty"`
	Selector string `json:"selector,omitempty"`
	// Namespace is the exercise's own unless named.
	Namespace string `json:"namespace,omitempty"`
	// First takes only the first by name of what Selector finds.
	First bool `json:"first,omitempty"`
}

// Patch is a change to an object.
type Patch struct {
	Ref   `json:",inline"`
	Patch map[string]any `json:"patch"`
}

// Field expects something of a field of every object that Ref finds, or of how many there are.
type Field struct {
	Ref `json:",inline"`
	// Path is a JSONPath such as .status.phase; empty to only count.
	Path string `json:"path,omitempty"`
	// Equals is the value, as text. Several values are joined by spaces.
	Equals *string `json:"equals,omitempty"`
	// Contains is a part of the value.
	Contains string `json:"contains,omitempty"`
	// AtLeast is the smallest number that will do.
	AtLeast *float64 `json:"atLeast,omitempty"`
	// AtMost is the greatest number that will do.
	AtMost *float64 `json:"atMost,omitempty"`
	// NotBefore is a time that the value, a time too, must not be earlier than. Kubernetes writes times
	// in RFC 3339 in UTC, which sort as text.
	NotBefore string `json:"notBefore,omitempty"`
	// Count is how many objects there must be. Text, since it may be a variable such as $(nodes).
	Count string `json:"count,omitempty"`
	// As keeps the value as a variable for the steps after this one: $(AS).
	As string `json:"as,omitempty"`
}

// Exec runs a command in a pod and expects something of what it prints.
type Exec struct {
	Ref       `json:",inline"`
	Container string   `json:"container,omitempty"`
	Command   []string `json:"command"`
	// Contains is a part of the output; Matches a regular expression (RE2) on it.
	Contains string `json:"contains,omitempty"`
	Matches  string `json:"matches,omitempty"`
	// Fails expects the command to fail.
	Fails bool `json:"fails,omitempty"`
}

// Logs expects something of a pod's log.
type Logs struct {
	Ref       `json:",inline"`
	Container string `json:"container,omitempty"`
	Contains  string `json:"contains"`
}

// HTTP asks a pod through a port-forward, as the manual does from the command line.
type HTTP struct {
	Ref      `json:",inline"`
	Port     int    `json:"port"`
	Contains string `json:"contains"`
}

// Certificate is a certificate of an authority made for it alone, and its key, in a Secret of type
// kubernetes.io/tls (https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets).
type Certificate struct {
	Secret string `json:"secret"`
	// Host is the DNS name that it is for.
	Host string `json:"host"`
}

// HTTPS asks from a pod, and accepts only the certificate of a Secret.
type HTTPS struct {
	Ref `json:",inline"`
	// Address is IP:PORT.
	Address string `json:"address"`
	// Host is what is asked for, by SNI and by the Host header.
	Host     string `json:"host"`
	Path     string `json:"path"`
	Secret   string `json:"secret"`
	Contains string `json:"contains,omitempty"`
	// Refused expects that another certificate is shown than the Secret's.
	Refused bool `json:"refused,omitempty"`
}

// Traffic sends requests through a service.
type Traffic struct {
	Service   string `json:"service"`
	Namespace string `json:"namespace,omitempty"`
	Via       string `json:"via,omitempty"`
	Requests  int    `json:"requests"`
	// Pods is how many pods must answer.
	Pods int `json:"pods"`
}

// During sends requests through a service while a step runs.
type During struct {
	Service string `json:"service"`
	// Fails expects that requests fail; otherwise none may.
	Fails bool `json:"fails,omitempty"`
}

// Denied expects the API server to refuse a manifest.
type Denied struct {
	Apply    string `json:"apply"`
	Contains string `json:"contains"`
}

// Token takes a token of a ServiceAccount and tries it.
type Token struct {
	ServiceAccount string `json:"serviceAccount"`
	Namespace      string `json:"namespace"`
	// Can are permissions as "VERB RESOURCE", such as "list nodes", that the token must have.
	Can []string `json:"can,omitempty"`
	// Revoked tries the token of the step before, which must no longer be accepted.
	Revoked bool `json:"revoked,omitempty"`
}

// Cleanup is what clean removes beside the exercise's namespaces.
type Cleanup struct {
	Lab    []string `json:"lab,omitempty"`
	Delete []Ref    `json:"delete,omitempty"`
	Patch  []Patch  `json:"patch,omitempty"`
	// Namespaces are further namespaces that it made.
	Namespaces []string `json:"namespaces,omitempty"`
}
