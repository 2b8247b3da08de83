package inventory

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Release is a Kubespray release and the Kubernetes versions that it installs.
type Release struct {
	Version string // such as v2.31.0
	// Kubernetes is the version installed by default, without a leading v.
	Kubernetes string
	// supported lists MINOR.FIRST-LAST, as "1.33.0-11": the versions that the release has checksums for.
	supported string
}

// Releases returns the Kubespray releases from v2.7.0 on, oldest first. Source: the release tags of
// github.com/kubernetes-sigs/kubespray, kube_version and the kubelet checksums for amd64.
func Releases() []Release {
	return []Release{
		{"v2.7.0", "1.11.3", "1.10.0-8 1.11.0-3"},
		{"v2.8.0", "1.12.3", "1.10.0-8 1.11.0-3 1.12.0-3"},
		{"v2.8.1", "1.12.3", "1.10.0-8 1.11.0-3 1.12.0-4"},
		{"v2.8.2", "1.12.5", "1.10.0-8 1.11.0-3 1.12.0-5"},
		{"v2.8.3", "1.12.5", "1.10.0-8 1.11.0-3 1.12.0-5"},
		{"v2.8.4", "1.12.7", "1.10.0-8 1.11.0-3 1.12.0-7"},
		{"v2.8.5", "1.12.7", "1.10.0-8 1.11.0-3 1.12.0-7"},
		{"v2.9.0", "1.13.5", "1.12.0-6 1.13.0-5 1.14.0-0"},
		{"v2.10.0", "1.14.1", "1.12.0-6 1.13.0-5 1.14.0-1"},
		{"v2.10.3", "1.14.3", "1.12.0-6 1.13.0-5 1.14.0-3"},
		{"v2.10.4", "1.14.3", "1.12.0-6 1.13.0-5 1.14.0-3"},
		{"v2.11.0", "1.15.3", "1.14.0-5 1.15.0-3"},
		{"v2.11.1", "1.15.11", "1.14.0-5 1.15.0-11"},
		{"v2.11.2", "1.15.11", "1.14.0-5 1.15.0-11"},
		{"v2.12.0", "1.16.3", "1.15.0-6 1.16.0-3 1.17.0-0"},
		{"v2.12.1", "1.16.7", "1.15.0-9 1.16.0-7 1.17.0-0"},
		{"v2.12.2", "1.16.7", "1.15.0-9 1.16.0-7 1.17.0-0"},
		{"v2.12.3", "1.16.7", "1.15.0-9 1.16.0-7 1.17.0-0"},
		{"v2.12.4", "1.16.8", "1.15.0-9 1.16.0-8 1.17.0-0"},
		{"v2.12.5", "1.16.8", "1.15.0-11 1.16.0-8 1.17.0-0"},
		{"v2.12.6", "1.16.9", "1.15.0-11 1.16.0-9 1.17.0-5"},
		{"v2.12.7", "1.16.11", "1.15.0-11 1.16.0-11 1.17.0-7"},
		{"v2.12.8", "1.16.13", "1.15.0-11 1.16.0-13 1.17.0-7"},
		{"v2.12.9", "1.16.13", "1.15.0-11 1.16.0-13 1.17.0-7"},
		{"v2.12.10", "1.16.15", "1.15.0-11 1.16.0-15 1.17.0-7"},
		{"v2.13.0", "1.17.5", "1.15.0-11 1.16.0-9 1.17.0-5 1.18.0-2"},
		{"v2.13.1", "1.17.6", "1.15.0-11 1.16.0-10 1.17.0-6 1.18.0-3"},
		{"v2.13.2", "1.17.7", "1.15.0-11 1.16.0-11 1.17.0-7 1.18.0-4"},
		{"v2.13.3", "1.17.9", "1.15.0-11 1.16.0-12 1.17.0-9 1.18.0-5"},
		{"v2.13.4", "1.17.12", "1.15.0-11 1.16.0-15 1.17.0-12 1.18.0-9"},
		{"v2.14.0", "1.18.8", "1.17.0-11 1.18.0-8 1.19.0-0"},
		{"v2.14.1", "1.18.9", "1.17.0-12 1.18.0-9 1.19.0-2"},
		{"v2.14.2", "1.18.10", "1.17.0-13 1.18.0-10 1.19.0-3"},
		{"v2.15.0", "1.19.7", "1.18.0-15 1.19.0-7"},
		{"v2.15.1", "1.19.9", "1.18.0-17 1.19.0-9 1.20.0-5"},
		{"v2.16.0", "1.20.7", "1.19.0-11 1.20.0-7 1.21.0-1"},
		{"v2.17.0", "1.21.5", "1.19.0-15 1.20.0-11 1.21.0-5 1.22.0-2"},
		{"v2.17.1", "1.21.6", "1.19.0-15 1.20.0-11 1.21.0-6 1.22.0-2"},
		{"v2.18.0", "1.22.5", "1.20.0-14 1.21.0-8 1.22.0-5 1.23.0-1"},
		{"v2.18.1", "1.22.8", "1.20.0-15 1.21.0-11 1.22.0-8 1.23.0-5"},
		{"v2.18.2", "1.22.8", "1.20.0-15 1.21.0-11 1.22.0-8 1.23.0-5"},
		{"v2.19.0", "1.23.7", "1.21.0-13 1.22.0-10 1.23.0-7 1.24.0-1"},
		{"v2.19.1", "1.23.7", "1.21.0-13 1.22.0-10 1.23.0-7 1.24.0-1"},
		{"v2.20.0", "1.24.6", "1.22.0-15 1.23.0-12 1.24.0-6"},
		{"v2.21.0", "1.25.6", "1.23.0-16 1.24.0-10 1.25.0-6"},
		{"v2.22.0", "1.26.5", "1.24.0-14 1.25.0-10 1.26.0-5"},
		{"v2.22.1", "1.26.5", "1.24.0-14 1.25.0-10 1.26.0-5"},
		{"v2.22.2", "1.26.13", "1.24.0-17 1.25.0-16 1.26.0-13"},
		{"v2.23.0", "1.27.5", "1.25.0-13 1.26.0-8 1.27.0-5"},
		{"v2.23.1", "1.27.7", "1.25.0-15 1.26.0-10 1.27.0-7"},
		{"v2.23.2", "1.27.9", "1.25.0-16 1.26.0-12 1.27.0-9"},
		{"v2.23.3", "1.27.10", "1.25.0-16 1.26.0-13 1.27.0-10"},
		{"v2.24.0", "1.28.6", "1.26.0-13 1.27.0-10 1.28.0-6 1.29.0-1"},
		{"v2.24.1", "1.28.6", "1.26.0-13 1.27.0-10 1.28.0-6 1.29.0-1"},
		{"v2.24.2", "1.28.10", "1.26.0-15 1.27.0-14 1.28.0-10 1.29.0-1"},
		{"v2.24.3", "1.28.14", "1.26.0-15 1.27.0-16 1.28.0-14 1.29.0-9"},
		{"v2.25.0", "1.29.5", "1.27.0-14 1.28.0-10 1.29.0-5"},
		{"v2.25.1", "1.29.10", "1.27.0-16 1.28.0-15 1.29.0-10"},
		{"v2.26.0", "1.30.4", "1.28.0-12 1.29.0-7 1.30.0-4"},
		{"v2.26.1", "1.30.6", "1.28.0-15 1.29.0-10 1.30.0-6"},
		{"v2.27.0", "1.31.4", "1.29.0-12 1.30.0-8 1.31.0-4"},
		{"v2.27.1", "1.31.9", "1.29.0-15 1.30.0-13 1.31.0-9"},
		{"v2.28.0", "1.32.5", "1.30.0-13 1.31.0-9 1.32.0-5"},
		{"v2.28.1", "1.32.8", "1.30.0-14 1.31.0-12 1.32.0-8"},
		{"v2.29.0", "1.33.5", "1.31.0-13 1.32.0-9 1.33.0-5"},
		{"v2.29.1", "1.33.7", "1.31.0-14 1.32.0-10 1.33.0-7"},
		{"v2.30.0", "1.34.3", "1.32.0-11 1.33.0-7 1.34.0-3"},
		{"v2.31.0", "1.35.4", "1.33.0-11 1.34.0-7 1.35.0-4"},
	}
}

// FindRelease returns the release of that version: v2.31.0, 2.31.0 or the newest of 2.31.
func FindRelease(version string) (Release, error) {
	want, err := parseVersion(version)
	if err != nil {
		return Release{}, fmt.Errorf("%q is no Kubespray release: write it like v2.31.0", version)
	}
	exact := strings.Count(version, ".") == 2
	var found Release
	for _, r := range Releases() {
		have := mustVersion(r.Version)
		if have == want || !exact && have.major == want.major && have.minor == want.minor {
			found = r
		}
	}
	if found.Version == "" {
		all := Releases()
		return Release{}, fmt.Errorf("release %s of Kubespray is not known here; known are %s to %s", version, all[0].Version, all[len(all)-1].Version)
	}
	return found, nil
}

// Supports reports whether the release installs that version of Kubernetes.
func (r Release) Supports(kubernetes string) bool {
	want, err := parseVersion(kubernetes)
	if err != nil {
		return false
	}
	for _, span := range r.spans() {
		if span.first.major == want.major && span.first.minor == want.minor && want.patch >= span.first.patch && want.patch <= span.last {
			return true
		}
	}
	return false
}

// Range returns the oldest and the newest version of Kubernetes that the release installs.
func (r Release) Range() (oldest, newest string) {
	spans := r.spans()
	first, last := spans[0], spans[len(spans)-1]
	return first.first.String(), semver{last.first.major, last.first.minor, last.last}.String()
}

type span struct {
	first semver
	last  int
}

func (r Release) spans() []span {
	var spans []span
	for text := range strings.FieldsSeq(r.supported) {
		from, to, _ := strings.Cut(text, "-")
		last, _ := strconv.Atoi(to)
		spans = append(spans, span{mustVersion(from), last})
	}
	return spans
}

// atLeast compares the release with a version of the tables; an unknown release is newer than all.
func atLeast(release, version string) bool {
	have, err := parseVersion(release)
	if err != nil {
		return true
	}
	return !have.less(mustVersion(version))
}

type semver struct{ major, minor, patch int }

func (v semver) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

func (v semver) less(w semver) bool {
	if v.major != w.major {
		return v.major < w.major
	}
	if v.minor != w.minor {
		return v.minor < w.minor
	}
	return v.patch < w.patch
}

var errNoVersion = errors.New("not a version")

// parseVersion reads v1.2.3, 1.2.3 or 1.2.
func parseVersion(s string) (semver, error) {
	parts := strings.Split(strings.TrimPrefix(strings.TrimSpace(s), "v"), ".")
	if len(parts) != 2 && len(parts) != 3 {
		return semver{}, errNoVersion
	}
	var numbers [3]int
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 1_000_000 {
			return semver{}, errNoVersion
		}
		numbers[i] = n
	}
	return semver{numbers[0], numbers[1], numbers[2]}, nil
}

// mustVersion reads a version of this package's own tables; a test reads them all.
func mustVersion(s string) semver {
	v, err := parseVersion(s)
	if err != nil {
		return semver{}
	}
	return v
}

// detectRelease finds the Kubespray checkout that the inventory lies in, as it usually does:
// kubespray/inventory/mycluster. The checkout's galaxy.yml tells its release.
func detectRelease(inventoryPath string) string {
	const levels = 4
	dir, err := filepath.Abs(inventoryPath)
	if err != nil {
		return ""
	}
	for range levels {
		dir = filepath.Dir(dir)
		if release := galaxyRelease(filepath.Join(dir, "galaxy.yml")); release != "" {
			return release
		}
	}
	return ""
}

// galaxyRelease reads the two lines of a collection's galaxy.yml that matter.
func galaxyRelease(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	values := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), ":")
		if _, seen := values[key]; found && !seen {
			values[key] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	if values["name"] != "kubespray" {
		return ""
	}
	if _, err := parseVersion(values["version"]); err != nil {
		return ""
	}
	return "v" + values["version"]
}
