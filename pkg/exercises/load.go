package exercises

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// fileName is the description in each exercise's folder.
const fileName = "exercise.yaml"

// Set is the exercises of a folder.
type Set struct {
	files fs.FS
	// Exercises are in the order of their numbers.
	Exercises []Exercise
}

// Load reads every exercise below the folder. An unknown field, a missing file or two exercises of
// one name are errors.
func Load(files fs.FS) (*Set, error) {
	set := &Set{files: files}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the exercises: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		exercise, err := load(files, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("exercise %s: %w", entry.Name(), err)
		}
		if _, twice := set.Find(exercise.Name); twice {
			return nil, fmt.Errorf("exercise %s: the name %q is taken", entry.Name(), exercise.Name)
		}
		set.Exercises = append(set.Exercises, exercise)
	}
	slices.SortFunc(set.Exercises, func(a, b Exercise) int { return cmp.Compare(a.Number, b.Number) })
	return set, nil
}

func load(files fs.FS, folder string) (Exercise, error) {
	exercise := Exercise{folder: folder}
	data, err := fs.ReadFile(files, path.Join(folder, fileName))
	if err != nil {
		return exercise, err
	}
	if err := yaml.UnmarshalStrict(data, &exercise); err != nil {
		return exercise, fmt.Errorf("%s: %w", fileName, err)
	}
	return exercise, exercise.check(files)
}

// check finds mistakes of the author.
func (e Exercise) check(files fs.FS) error {
	if e.APIVersion != APIVersion || e.Kind != Kind {
		return fmt.Errorf("%s is not of %s %s", fileName, APIVersion, Kind)
	}
	if want := fmt.Sprintf("%02d-%s", e.Number, e.Name); want != e.folder {
		return fmt.Errorf("the folder must be called %s", want)
	}
	for i, step := range e.Steps {
		if err := step.check(files, e.folder); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.Expect, err)
		}
	}
	return nil
}

func (s Step) check(files fs.FS, folder string) error {
	if s.Expect == "" {
		return fmt.Errorf("it expects nothing")
	}
	named := slices.Clone(s.Apply)
	if s.Denied != nil {
		named = append(named, s.Denied.Apply)
	}
	for _, name := range named {
		if _, err := fs.Stat(files, path.Join(folder, name)); err != nil {
			return err
		}
	}
	if !s.verifies() {
		return fmt.Errorf("it verifies nothing")
	}
	return nil
}

func (s Step) verifies() bool {
	return len(s.Fields)+len(s.Gone)+len(s.Exec)+len(s.Logs)+len(s.HTTP)+len(s.HTTPS) > 0 ||
		s.Traffic != nil || s.Denied != nil || s.Token != nil || s.During != nil
}

// Find returns the exercise of that name or number.
func (s *Set) Find(name string) (Exercise, bool) {
	for _, e := range s.Exercises {
		if e.Name == name || fmt.Sprint(e.Number) == name || e.folder == name {
			return e, true
		}
	}
	return Exercise{}, false
}

// Names lists the exercises' names.
func (s *Set) Names() []string {
	names := make([]string, len(s.Exercises))
	for i, e := range s.Exercises {
		names[i] = e.Name
	}
	return names
}

// Manifests lists the manifests of an exercise's folder, by name.
func (s *Set) Manifests(e Exercise) ([]string, error) {
	entries, err := fs.ReadDir(s.files, e.folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != fileName && strings.HasSuffix(entry.Name(), ".yaml") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Manifest is the text of one of them.
func (s *Set) Manifest(e Exercise, name string) (string, error) {
	data, err := fs.ReadFile(s.files, path.Join(e.folder, name))
	return string(data), err
}
