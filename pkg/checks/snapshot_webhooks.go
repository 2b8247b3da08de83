package checks

import (
	"context"

	"golang.org/x/sync/errgroup"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fetchWebhooks lists the admission webhooks that refuse requests if they cannot be called, of both
// kinds side by side.
func (s *Snapshot) fetchWebhooks(ctx context.Context) ([]webhook, error) {
	var validating, mutating []webhook
	client := s.source.Kubernetes.AdmissionregistrationV1()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		list, err := client.ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			for _, w := range c.Webhooks {
				validating = addStrict(validating, "ValidatingWebhookConfiguration", c.Name, w.Name, w.FailurePolicy, w.ClientConfig)
			}
		}
		return nil
	})
	g.Go(func() error {
		list, err := client.MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			for _, w := range c.Webhooks {
				mutating = addStrict(mutating, "MutatingWebhookConfiguration", c.Name, w.Name, w.FailurePolicy, w.ClientConfig)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return append(validating, mutating...), nil
}

// addStrict adds a webhook whose failure policy is Fail, the default.
func addStrict(sofar []webhook, kind, configuration, name string, policy *admissionv1.FailurePolicyType, client admissionv1.WebhookClientConfig) []webhook {
	if policy != nil && *policy == admissionv1.Ignore {
		return sofar
	}
	w := webhook{kind: kind, configuration: configuration, name: name}
	if client.Service != nil {
		w.service = client.Service.Namespace + "/" + client.Service.Name
	}
	return append(sofar, w)
}
