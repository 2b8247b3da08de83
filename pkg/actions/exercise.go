package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/manifests"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

// exerciseSet reads the exercises that the program carries.
func exerciseSet() (*exercises.Set, error) {
	files, err := manifests.Exercises()
	if err != nil {
		return nil, err
	}
	return exercises.Load(files)
}

// exerciseName is the argument that the verbs show, run and clean have in common.
type exerciseName struct {
	name     string
	set      *exercises.Set
	exercise exercises.Exercise
}

// Complete implements Options.
func (n *exerciseName) Complete(args []string) error {
	if len(args) != 1 {
		return UsageErrorf("name one exercise; see them all: kubectl lab exercise list")
	}
	n.name = args[0]
	return nil
}

// Validate implements Options.
func (n *exerciseName) Validate() error {
	set, err := exerciseSet()
	if err != nil {
		return err
	}
	exercise, found := set.Find(n.name)
	if !found {
		return UsageErrorf("there is no exercise %q: choose one of %s", n.name, strings.Join(set.Names(), ", "))
	}
	n.set, n.exercise = set, exercise
	return nil
}

// Suggest implements Suggester.
func (n *exerciseName) Suggest(_ context.Context, _ *Env, flag string, args []string, _ string) []string {
	set, err := exerciseSet()
	if err != nil || flag != "" || len(args) > 0 {
		return nil
	}
	return set.Names()
}

// runner gives the exercises what they need of the cluster.
func (n *exerciseName) runner(env *Env) (*exercises.Runner, error) {
	config, err := env.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	config.Timeout = 0 // executed commands and forwarded ports are streams
	client, err := env.Cluster.Streaming()
	if err != nil {
		return nil, err
	}
	dynamic, err := env.Cluster.Dynamic()
	if err != nil {
		return nil, err
	}
	mapper, err := env.Cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil, err
	}
	namespace, given, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	if !given {
		namespace = ""
	}
	return &exercises.Runner{
		Set: n.set, Config: config, Kubernetes: client, Dynamic: dynamic, Mapper: mapper,
		Lab:          func(ctx context.Context, namespace, line string) error { return runLine(ctx, env, namespace, line) },
		Namespace:    namespace,
		ShellImage:   ShellImage,
		Labels:       map[string]string{ManagedByLabel: ManagedBy},
		FieldManager: ManagedBy,
	}, nil
}

// runLine runs a command line of an exercise: the words that a user types after "kubectl lab".
func runLine(ctx context.Context, env *Env, namespace, line string) error {
	words := strings.Fields(line)
	action, rest, found := Find(All(), words)
	if !found {
		return fmt.Errorf("there is no verb %q", words[0])
	}
	options := action.New()
	flags := newFlagSet(action)
	options.Bind(flags)
	if err := flags.Parse(rest); err != nil {
		return err
	}
	if err := options.Complete(flags.Args()); err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return err
	}
	inner := *env
	inner.Cluster = env.Cluster.inNamespace(namespace)
	_, err := options.Run(ctx, &inner)
	return err
}

// parseImages reads --image OLD=NEW.
func parseImages(pairs []string, known []string) (map[string]string, error) {
	images := map[string]string{}
	for _, pair := range pairs {
		old, replacement, found := strings.Cut(pair, "=")
		if !found || replacement == "" {
			return nil, UsageErrorf("--image %q is not of the form OLD=NEW", pair)
		}
		if !slices.Contains(known, old) {
			return nil, UsageErrorf("--image: the exercise has no image %q; it has %s", old, strings.Join(known, ", "))
		}
		images[old] = replacement
	}
	return images, nil
}
