package playground

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// What the playground makes in the cluster, for as long as it runs.
const (
	guestNamespace = "labbot-playground"
	adminGroup     = "labbot-playground:admins"
	viewerGroup    = "labbot-playground:viewers"

	guestTime = 30 * time.Second
)

// guests are the playground's people in the cluster, and the folder of its files.
type guests struct {
	client kubernetes.Interface
	folder string
	say    func(string)
}

// openCluster gives the people their rights in the cluster, and the bot a namespace for its records.
func openCluster(ctx context.Context, options Options) (*guests, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = options.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	folder, err := os.MkdirTemp("", "labbot-playground-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	g := &guests{client: client, folder: folder, say: options.Say}
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	if err := g.enter(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the cluster: %s", actions.Explain(err).Message), g.leave(ctx), os.RemoveAll(folder))
	}
	return g, nil
}

func (g *guests) enter(ctx context.Context) error {
	g.say(fmt.Sprintf("In the cluster, while this runs: namespace %s, ClusterRoleBindings %s (cluster-admin) and %s (view).",
		guestNamespace, bindingName(adminGroup), bindingName(viewerGroup)))
	labels := map[string]string{actions.ManagedByLabel: "labbot"}
	_, err := g.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: guestNamespace, Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	for group, role := range g.rights() {
		_, err := g.client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: bindingName(group), Labels: labels},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func (g *guests) rights() map[string]string {
	return map[string]string{adminGroup: "cluster-admin", viewerGroup: "view"}
}

func bindingName(group string) string {
	if group == adminGroup {
		return "labbot-playground-admins"
	}
	return "labbot-playground-viewers"
}

// leave removes what enter made.
func (g *guests) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	var failed []error
	note := func(err error) {
		if err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("removing what the playground made: %w", err))
		}
	}
	for group := range g.rights() {
		note(g.client.RbacV1().ClusterRoleBindings().Delete(ctx, bindingName(group), metav1.DeleteOptions{}))
	}
	note(g.client.CoreV1().Namespaces().Delete(ctx, guestNamespace, metav1.DeleteOptions{}))
	return errors.Join(failed...)
}
