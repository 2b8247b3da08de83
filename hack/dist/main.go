// Command dist builds the release: one archive per platform, and the krew manifest that names the
// archives with their checksums. The archives are reproducible: the same source, Go version and
// version string give the same bytes.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
)

// platform is one target of the release.
type platform struct{ os, arch string }

func platforms() []platform {
	return []platform{
		{"linux", "amd64"}, {"linux", "arm64"},
		{"darwin", "amd64"}, {"darwin", "arm64"},
		{"windows", "amd64"}, {"windows", "arm64"},
	}
}

func (p platform) binary() string {
	if p.os == "windows" {
		return "kubectl-" + cli.Plugin + ".exe"
	}
	return "kubectl-" + cli.Plugin
}

func (p platform) archive(version string) string {
	extension := ".tar.gz"
	if p.os == "windows" {
		extension = ".zip"
	}
	return fmt.Sprintf("kubectl-%s_%s_%s_%s%s", cli.Plugin, version, p.os, p.arch, extension)
}

// release is one run of this program.
type release struct {
	version, commit, out, manifest string
	// only restricts the platforms, as "os/arch,os/arch"; empty means all.
	only string
}

func main() {
	if err := dist(); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func dist() error {
	var r release
	flag.StringVar(&r.version, "version", "", "version to release, such as v0.1.0")
	flag.StringVar(&r.commit, "commit", "", "git commit that the binaries report")
	flag.StringVar(&r.out, "out", "dist", "folder for the archives")
	flag.StringVar(&r.manifest, "manifest", "plugins.yaml", "file for the krew manifest")
	flag.StringVar(&r.only, "only", "", "build only these platforms, such as linux/amd64,darwin/arm64")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return r.run(ctx)
}

func (r release) run(ctx context.Context) error {
	if !strings.HasPrefix(r.version, "v") {
		return fmt.Errorf("-version %q must start with v", r.version)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	module, err := modulePath(ctx)
	if err != nil {
		return err
	}
	manifest := newManifest(module, r.version)
	for _, p := range r.selected() {
		fmt.Fprintf(os.Stderr, "building %s/%s\n", p.os, p.arch)
		sum, err := r.build(ctx, p)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
		manifest.add(p, sum)
	}
	return manifest.write(r.manifest)
}

func (r release) selected() []platform {
	if r.only == "" {
		return platforms()
	}
	var chosen []platform
	for _, p := range platforms() {
		if strings.Contains(","+r.only+",", ","+p.os+"/"+p.arch+",") {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// modulePath is the module's path; go.mod states it, and the download addresses derive from it.
func modulePath(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m").Output()
	if err != nil {
		return "", fmt.Errorf("asking for the module path: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build makes one platform's archive and returns its SHA-256 in lower-case hexadecimal.
func (r release) build(ctx context.Context, p platform) (string, error) {
	dir, err := os.MkdirTemp("", "dist")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, p.binary())
	ldflags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", r.version, r.commit)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", binary, "./cmd/kubectl-"+cli.Plugin)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building: %w", err)
	}
	files := []archived{
		{name: p.binary(), path: binary, mode: 0o755},
		{name: completionShim, path: filepath.Join("hack", completionShim), mode: 0o755},
		{name: "LICENSE", path: "LICENSE", mode: 0o644},
	}
	archive := filepath.Join(r.out, p.archive(r.version))
	if err := writeArchive(archive, files); err != nil {
		return "", fmt.Errorf("writing %s: %w", archive, err)
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// completionShim is the name under which kubectl looks for a plugin's completions
// (kubectl 1.26 and later; see k8s.io/kubectl/pkg/cmd/plugin).
const completionShim = "kubectl_complete-" + cli.Plugin
