package exercises_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubectl-lab/kubectl-lab/manifests"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

func load(t *testing.T) *exercises.Set {
	t.Helper()
	files, err := manifests.Exercises()
	if err != nil {
		t.Fatal(err)
	}
	set, err := exercises.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestShipped holds the exercises that the program carries to what every one must have.
func TestShipped(t *testing.T) {
	set := load(t)
	if len(set.Exercises) < 15 {
		t.Errorf("there are %d exercises, want at least 15", len(set.Exercises))
	}
	for i, e := range set.Exercises {
		if e.Number != i+1 {
			t.Errorf("%s has number %d, want %d", e.Name, e.Number, i+1)
		}
		if e.Title == "" || e.Section == "" || e.Text == "" || len(e.Try) == 0 {
			t.Errorf("%s lacks a title, a section of the manual, a text or commands to try", e.Name)
		}
		checkImages(t, set, e)
	}
}

// checkImages holds the list of images to the manifests, since only listed ones can be replaced.
func checkImages(t *testing.T, set *exercises.Set, e exercises.Exercise) {
	t.Helper()
	names, err := set.Manifests(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := set.Manifest(e, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(text, "\n") {
			_, image, found := strings.Cut(line, "image: ")
			if found && !strings.Contains("\n"+strings.Join(e.Images, "\n")+"\n", "\n"+image+"\n") {
				t.Errorf("%s/%s uses image %s, which the exercise does not list", e.Name, name, image)
			}
		}
	}
}

func TestFind(t *testing.T) {
	set := load(t)
	for _, name := range []string{"service", "3", "03-service"} {
		if e, ok := set.Find(name); !ok || e.Name != "service" {
			t.Errorf("Find(%q) = %q, %v", name, e.Name, ok)
		}
	}
	if _, ok := set.Find("nothing"); ok {
		t.Error("found an exercise that does not exist")
	}
}

func TestLoadRefuses(t *testing.T) {
	const head = "apiVersion: kubectl-lab.github.io/v1alpha1\nkind: Exercise\nname: x\nnumber: 1\n"
	for name, test := range map[string]struct{ text, want string }{
		"unknown field":  {head + "stepz: []\n", "stepz"},
		"other kind":     {"apiVersion: v1\nkind: Pod\n", "is not of"},
		"wrong folder":   {strings.Replace(head, "number: 1", "number: 2", 1), "must be called 02-x"},
		"missing file":   {head + "steps:\n- expect: x\n  apply: [nothing.yaml]\n", "nothing.yaml"},
		"no expectation": {head + "steps:\n- expect: x\n  lab: [version]\n", "verifies nothing"},
		"no sentence":    {head + "steps:\n- gone: [{kind: pod, name: x}]\n", "expects nothing"},
		"not yaml":       {"a: [", "01-x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exercises.Load(fstest.MapFS{"01-x/exercise.yaml": {Data: []byte(test.text)}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	step := exercises.Step{Expect: "$(worker1) (a node) and $(worker2) serve, as $ and () say"}
	if got, want := step.Claim(), "worker1 (a node) and worker2 serve, as $ and () say"; got != want {
		t.Errorf("claim %q, want %q", got, want)
	}
}
