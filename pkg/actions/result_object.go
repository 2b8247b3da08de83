package actions

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// ObjectOf is a result as an object that cli-runtime's printers take: the Kubernetes objects themselves
// where the result is such, else the typed result. Secrets in it are in clear only with reveal, which a
// front end sets only for output that the requester alone sees.
func ObjectOf(result Result, reveal bool) (runtime.Object, error) {
	if objects, ok := result.(Objects); ok {
		return WithKinds(objects.Objects())
	}
	var value any = result
	if secret, ok := result.(Revealed); ok && reveal {
		value = secret.Revealed()
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding the result: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &object.Object); err != nil {
		return nil, fmt.Errorf("encoding the result: %w", err)
	}
	return object, nil
}

// WithKinds fills in apiVersion and kind, which the typed client leaves empty.
func WithKinds(object runtime.Object) (runtime.Object, error) {
	if !object.GetObjectKind().GroupVersionKind().Empty() {
		return object, nil
	}
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of the result: %w", err)
	}
	object = object.DeepCopyObject()
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	return object, nil
}
