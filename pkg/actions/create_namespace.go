package actions

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

func createNamespace() Action {
	return Action{
		Words: "create namespace",
		Args:  "NAME",
		Short: "Create a namespace",
		Long:  "Creates a namespace. One that is there already is left unchanged.",
		Group: GroupChange,
		Examples: []Example{
			{"Create a namespace for a lab", "create namespace lab01"},
			{"See whether the API server would accept it", "create namespace lab01 --dry-run=server"},
		},
		Effect: Writes,
		New:    func() Options { return &CreateNamespaceOptions{} },
	}
}

// CreateNamespaceOptions are the options of "create namespace".
type CreateNamespaceOptions struct {
	DryRunFlag
	// Name is the namespace's name.
	Name string
	// Labels are more labels, as KEY=VALUE,KEY=VALUE.
	Labels string
}

// Bind implements Options.
func (o *CreateNamespaceOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.StringVar(&o.Labels, "labels", "", "labels, e.g. pod-security.kubernetes.io/enforce=baseline")
}

// Complete implements Options.
func (o *CreateNamespaceOptions) Complete(args []string) error {
	var err error
	o.Name, err = oneName("namespace", "create namespace NAME", args)
	return err
}

// Validate implements Options.
func (o *CreateNamespaceOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	if problems := validation.IsDNS1123Label(o.Name); len(problems) > 0 {
		return UsageErrorf("namespace name %q is not valid: %s", o.Name, problems[0])
	}
	_, err := ownLabels("--labels", o.Labels)
	return err
}

// Run implements Options.
func (o *CreateNamespaceOptions) Run(ctx context.Context, env *Env) (Result, error) {
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	labels, err := ownLabels("--labels", o.Labels)
	if err != nil {
		return nil, err
	}
	desired := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.Name, Labels: labels}}
	result := newChangeResult("CreateNamespaceResult", o.DryRunStrategy())
	change, _ := createObject(ctx, client.CoreV1().Namespaces(), desired, o.DryRunStrategy(), namespaceDifferences)
	result.Items = []Change{change}
	if change.Outcome == OutcomeCreated && strings.HasPrefix(o.Name, "kube-") {
		// https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#working-with-namespaces
		result.Notes = []string{`names that begin with "kube-" are meant for Kubernetes' own namespaces`}
	}
	return result, Failures(result.Items, "created")
}

// namespaceDifferences compares only the labels asked for: administrators and controllers put others
// on namespaces.
func namespaceDifferences(live, desired *corev1.Namespace) []string {
	d := &differences{}
	for _, key := range slices.Sorted(maps.Keys(desired.Labels)) {
		if key != ManagedByLabel {
			d.text("label "+key, live.Labels[key], desired.Labels[key])
		}
	}
	return d.found
}

// Suggest implements Suggester.
func (o *CreateNamespaceOptions) Suggest(_ context.Context, _ *Env, flag string, _ []string, _ string) []string {
	return suggestCommon(flag)
}
