package playground

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
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
	made   []string // KIND/NAME
}

// openCluster gives the people their rights in the cluster, and the bot a namespace for its records.
func openCluster(ctx context.Context, options Options) (*guests, error) {
	client, err := connect(options.Kubeconfig)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "labbot-playground-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	g := &guests{client: client, folder: folder, say: options.Say}
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	if err := g.enter(ctx); err != nil {
		return nil, errors.Join(explainEntry(err), g.leave(ctx), os.RemoveAll(folder))
	}
	g.say(fmt.Sprintf("In the cluster, while this runs: %s (cluster-admin and view for the page's people).", strings.Join(g.made, ", ")))
	return g, nil
}

// connect reaches the cluster of a kubeconfig; empty means the default one.
func connect(kubeconfig string) (kubernetes.Interface, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err == nil {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("connecting to the cluster: %w", err)
		}
		return client, nil
	}
	e := &actions.Error{
		Message: "reading the kubeconfig: " + err.Error(),
		Hint:    "name another with --kubeconfig or KUBECONFIG",
		Code:    actions.ExitUnreachable,
		Err:     err,
	}
	if clientcmd.IsEmptyConfig(err) {
		e.Message = "no kubeconfig: looked at " + strings.Join(rules.GetLoadingPrecedence(), ", ")
		e.Hint = "name one with --kubeconfig or KUBECONFIG, or let one be made: make demo-bot"
	}
	return nil, e
}

// explainEntry says why the playground could not be prepared.
func explainEntry(err error) error {
	e := *actions.Explain(err)
	e.Message = "preparing the cluster: " + e.Message
	if _, forbidden := actions.DenialOf(err); forbidden {
		e.Hint = "the playground needs an administrator's kubeconfig; name another with --kubeconfig"
	}
	return &e
}

func (g *guests) enter(ctx context.Context) error {
	labels := map[string]string{actions.ManagedByLabel: "labbot"}
	_, err := g.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: guestNamespace, Labels: labels},
	}, metav1.CreateOptions{})
	if err := g.note("namespace/"+guestNamespace, err); err != nil {
		return err
	}
	for group, role := range g.rights() {
		_, err := g.client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: bindingName(group), Labels: labels},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
		}, metav1.CreateOptions{})
		if err := g.note("clusterrolebinding/"+bindingName(group), err); err != nil {
			return err
		}
	}
	return nil
}

// note remembers what was made. What an earlier run left behind is taken over.
func (g *guests) note(object string, err error) error {
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	g.made = append(g.made, object)
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
	var left []string
	var failed error
	for _, object := range g.made {
		if err := g.remove(ctx, object); err != nil && !apierrors.IsNotFound(err) {
			left, failed = append(left, object), err
		}
	}
	if failed == nil {
		return nil
	}
	e := *actions.Explain(failed)
	e.Message = "what the playground made is still in the cluster: " + e.Message
	e.Hint = "remove it later: kubectl delete " + strings.Join(left, " ")
	return &e
}

func (g *guests) remove(ctx context.Context, object string) error {
	kind, name, _ := strings.Cut(object, "/")
	if kind == "namespace" {
		return g.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	}
	return g.client.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{})
}
