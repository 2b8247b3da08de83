package checks

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-lab/kubectl-lab/pkg/bulk"
)

func (s *Snapshot) readWorkloads() {
	s.deployments = add(s, "deployments", toList("deployments.apps"), func(ctx context.Context) ([]workload, error) {
		var found []workload
		_, err := bulk.Objects(ctx, s.list(appsv1.SchemeGroupVersion.WithResource("deployments")), func(d *appsv1.Deployment) error {
			found = append(found, deploymentOf(d))
			return nil
		})
		return found, err
	})
	s.daemonSets = add(s, "daemon sets", toList("daemonsets.apps"), func(ctx context.Context) ([]workload, error) {
		return collect(ctx, s.source.Kubernetes.AppsV1().DaemonSets("").List, func(page *appsv1.DaemonSetList, sofar []workload) []workload {
			for i := range page.Items {
				sofar = append(sofar, daemonSetOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.statefulSets = add(s, "stateful sets", toList("statefulsets.apps"), func(ctx context.Context) ([]workload, error) {
		return collect(ctx, s.source.Kubernetes.AppsV1().StatefulSets("").List, func(page *appsv1.StatefulSetList, sofar []workload) []workload {
			for i := range page.Items {
				sofar = append(sofar, statefulSetOf(&page.Items[i]))
			}
			return sofar
		})
	})
}

func workloadOf(kind string, meta *metav1.ObjectMeta, template *corev1.PodSpec, observed int64) workload {
	w := workload{
		kind:           kind,
		namespace:      meta.Namespace,
		name:           meta.Name,
		labels:         meta.Labels,
		observed:       observed >= meta.Generation,
		created:        meta.CreationTimestamp.Time,
		serviceAccount: template.ServiceAccountName,
	}
	for _, c := range template.Containers {
		w.images = append(w.images, c.Image)
		w.args = append(append(w.args, c.Command...), c.Args...)
	}
	return w
}

func deploymentOf(d *appsv1.Deployment) workload {
	w := workloadOf("Deployment", &d.ObjectMeta, &d.Spec.Template.Spec, d.Status.ObservedGeneration)
	w.desired, w.ready = replicas(d.Spec.Replicas), d.Status.AvailableReplicas
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			w.stalled = c.Message
		}
	}
	return w
}

func daemonSetOf(d *appsv1.DaemonSet) workload {
	w := workloadOf("DaemonSet", &d.ObjectMeta, &d.Spec.Template.Spec, d.Status.ObservedGeneration)
	w.desired, w.ready = d.Status.DesiredNumberScheduled, d.Status.NumberAvailable
	return w
}

func statefulSetOf(d *appsv1.StatefulSet) workload {
	w := workloadOf("StatefulSet", &d.ObjectMeta, &d.Spec.Template.Spec, d.Status.ObservedGeneration)
	w.desired, w.ready = replicas(d.Spec.Replicas), d.Status.ReadyReplicas
	return w
}

// replicas is a replica count, one if unset.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// apiService is a row of the table of APIServices.
type apiService struct {
	name      string
	service   string
	available string
}

func (a apiService) local() bool { return a.service == "Local" }

// signingRequest is what checks keep of a CertificateSigningRequest.
type signingRequest struct {
	name, signer, user string
	created            time.Time
	decided            bool
	failed             string
	// ends is when the certificate that was issued does; zero if none was.
	ends time.Time
}

// webhook is one admission webhook whose failure refuses requests.
type webhook struct {
	kind, configuration, name string
	service                   string // namespace/name; empty for a URL
}

func (w webhook) object() Object {
	return Object{APIVersion: "admissionregistration.k8s.io/v1", Kind: w.kind, Name: w.configuration}
}

type ingressClass struct {
	name, controller string
	isDefault        bool
}

func (s *Snapshot) readExtensions() {
	s.apiServices = add(s, "API services", toList("apiservices.apiregistration.k8s.io"), func(ctx context.Context) ([]apiService, error) {
		var found []apiService
		resource := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
		_, err := bulk.Rows(ctx, s.list(resource), []string{"Name", "Service", "Available"}, func(cells [][]byte) error {
			found = append(found, apiService{name: string(cells[0]), service: string(cells[1]), available: string(cells[2])})
			return nil
		})
		return found, err
	})
	s.webhooks = add(s, "admission webhooks", toList("validatingwebhookconfigurations.admissionregistration.k8s.io"), s.fetchWebhooks)
	s.crds = add(s, "custom resource definitions", toList("customresourcedefinitions.apiextensions.k8s.io"), s.fetchCRDs)
	s.requests = add(s, "certificate signing requests", toList("certificatesigningrequests.certificates.k8s.io"), func(ctx context.Context) ([]signingRequest, error) {
		list := s.source.Kubernetes.CertificatesV1().CertificateSigningRequests().List
		return collect(ctx, list, func(page *certificatesv1.CertificateSigningRequestList, sofar []signingRequest) []signingRequest {
			for i := range page.Items {
				sofar = append(sofar, signingRequestOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.serviceCIDRs = add(s, "service CIDRs", toList("servicecidrs.networking.k8s.io"), func(ctx context.Context) ([]string, error) {
		list, err := optional(s.source.Kubernetes.NetworkingV1().ServiceCIDRs().List(ctx, metav1.ListOptions{}))
		if err != nil || list == nil { // before Kubernetes 1.33 there is no such API
			return nil, err
		}
		var cidrs []string
		for _, item := range list.Items {
			cidrs = append(cidrs, item.Spec.CIDRs...)
		}
		return cidrs, nil
	})
	s.ingressClasses = add(s, "ingress classes", toList("ingressclasses.networking.k8s.io"), func(ctx context.Context) ([]ingressClass, error) {
		list, err := s.source.Kubernetes.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		var found []ingressClass
		for _, item := range list.Items {
			found = append(found, ingressClass{
				name:       item.Name,
				controller: item.Spec.Controller,
				isDefault:  item.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true",
			})
		}
		return found, nil
	})
}

// fetchCRDs lists the names of the custom resource definitions.
func (s *Snapshot) fetchCRDs(ctx context.Context) (map[string]bool, error) {
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	list := s.source.Metadata.Resource(crds).List
	found, err := collect(ctx, list, func(page *metav1.PartialObjectMetadataList, sofar []string) []string {
		for _, item := range page.Items {
			sofar = append(sofar, item.Name)
		}
		return sofar
	})
	if err != nil {
		return nil, err
	}
	set := make(map[string]bool, len(found))
	for _, name := range found {
		set[name] = true
	}
	return set, nil
}

func signingRequestOf(c *certificatesv1.CertificateSigningRequest) signingRequest {
	kept := signingRequest{
		name: c.Name, signer: c.Spec.SignerName, user: c.Spec.Username,
		created: c.CreationTimestamp.Time, ends: certificateEnd(c.Status.Certificate),
	}
	for _, condition := range c.Status.Conditions {
		kept.decided = true
		if condition.Type == certificatesv1.CertificateFailed {
			kept.failed = condition.Message
		}
	}
	return kept
}

// certificateEnd is when the first certificate in a PEM text ends; zero if there is none.
func certificateEnd(text []byte) time.Time {
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return certificate.NotAfter
}
