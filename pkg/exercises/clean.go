package exercises

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Clean removes what an exercise made: its namespaces, and what it left elsewhere. It goes on after
// an error and returns all of them. What is gone already is no error. Namespaces that the exercise
// did not make stay.
func (r *Runner) Clean(ctx context.Context, e Exercise) (removed []string, err error) {
	run := &run{Runner: r, exercise: e, namespace: r.NamespaceOf(e)}
	if err := run.survey(ctx); err != nil {
		return nil, err
	}
	var errs []error
	step := run.expandStep(Step{Lab: e.Cleanup.Lab, Patch: e.Cleanup.Patch, Delete: e.Cleanup.Delete})
	for _, do := range run.deeds(step) {
		errs = append(errs, do(ctx))
	}
	for _, name := range append([]string{run.namespace}, e.Cleanup.Namespaces...) {
		done, err := run.removeNamespace(ctx, name)
		if done {
			removed = append(removed, "namespace/"+name)
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// removeNamespace deletes a namespace that an exercise made, which its labels tell.
func (r *run) removeNamespace(ctx context.Context, name string) (bool, error) {
	namespaces := r.Kubernetes.CoreV1().Namespaces()
	ns, err := namespaces.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for key, value := range r.Labels {
		if ns.Labels[key] != value {
			return false, fmt.Errorf("namespace %q was not made by an exercise (it has no label %s=%s): delete what the exercise made in it by hand, or with: kubectl lab delete --lab -n %s", name, key, value, name)
		}
	}
	err = namespaces.Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "being deleted") {
		return false, err
	}
	return true, nil
}
