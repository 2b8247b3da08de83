package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/image"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/versions"
)

// repository is where images of our own making are named: they are not the upstream projects'.
const repository = "lab.local/"

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// sources is what the images are made from, besides Debian's packages.
type sources struct {
	programs   string // folder with one file per program
	labcluster string // the file
}

func (s sources) program(name string) string { return filepath.Join(s.programs, name) }

// images lists all images. Names and tags of the first ones are what kubeadm asks for
// (cmd/kubeadm/app/constants and app/images).
func (s sources) images() ([]image.Image, error) {
	shell, err := shellLayer()
	if err != nil {
		return nil, err
	}
	proxy, err := s.proxyLayer()
	if err != nil {
		return nil, err
	}
	web, err := nginxLayer()
	if err != nil {
		return nil, err
	}
	images := []image.Image{
		s.controlPlane(),
		s.single("coredns", "coredns", versions.CoreDNS),
		s.single("pause", "pause", versions.Pause),
		s.single("metrics-server", "metrics-server", versions.MetricsServer),
		s.single("local-path-provisioner", "local-path-provisioner", versions.LocalPath),
		s.single("traefik", "traefik", versions.Traefik),
		{
			Names:  []string{repository + "kube-proxy:" + versions.Kubernetes},
			Layers: []*image.Layer{proxy},
			Config: v1.ImageConfig{Env: []string{searchPath}},
		},
		{
			Names: []string{
				"docker.io/library/alpine:latest", "docker.io/library/alpine:3",
				"docker.io/library/busybox:latest", "docker.io/library/busybox:1.36",
			},
			Layers: []*image.Layer{shell},
			Config: v1.ImageConfig{Env: []string{searchPath}, Cmd: []string{"/bin/sh"}},
		},
	}
	return append(images, nginxImages(shell, web)...), nil
}

// controlPlane is labcluster under the names of the programs it holds.
func (s sources) controlPlane() image.Image {
	programs := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
	layer := &image.Layer{Files: []image.File{
		{Path: "/usr/local/bin/labcluster", Source: s.labcluster, Mode: 0o755},
		{Path: "/tmp", Dir: true, Mode: 0o1777},
	}}
	names := []string{repository + "etcd:" + versions.EtcdImage}
	for _, name := range programs {
		layer.Files = append(layer.Files, image.File{Path: "/usr/local/bin/" + name, Link: "labcluster"})
		if name != "etcd" {
			names = append(names, repository+name+":"+versions.Kubernetes)
		}
	}
	return image.Image{
		Names:  names,
		Layers: []*image.Layer{layer},
		Config: v1.ImageConfig{Env: []string{searchPath}},
	}
}

// single is an image with one static program in it.
func (s sources) single(name, program, version string) image.Image {
	return image.Image{
		Names: []string{repository + name + ":" + version},
		Layers: []*image.Layer{{Files: []image.File{
			{Path: "/" + program, Source: s.program(program), Mode: 0o755},
			{Path: "/tmp", Dir: true, Mode: 0o1777},
		}}},
		Config: v1.ImageConfig{Env: []string{searchPath}, Entrypoint: []string{"/" + program}},
	}
}

// proxyLayer is kube-proxy with the nft that it runs.
func (s sources) proxyLayer() (*image.Layer, error) {
	nft, err := withLibraries("/usr/sbin/nft")
	if err != nil {
		return nil, err
	}
	return &image.Layer{Files: append(nft,
		image.File{Path: "/usr/local/bin/kube-proxy", Source: s.program("kube-proxy"), Mode: 0o755},
		image.File{Path: "/tmp", Dir: true, Mode: 0o1777},
	)}, nil
}

// shellLayer is busybox with a link for each of its commands but two. The wget of Debian's static
// busybox crashes when it is given a timeout (-T), and its sh takes that wget whatever is in PATH.
func shellLayer() (*image.Layer, error) {
	const busybox = "/bin/busybox"
	list, err := exec.CommandContext(context.Background(), busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("list the commands of %s: %w", busybox, err)
	}
	instead, err := withLibraries("/usr/bin/wget", "/bin/bash")
	if err != nil {
		return nil, err
	}
	replaced := []string{"busybox", "wget", "bash", "sh", "ash"}
	layer := &image.Layer{Files: append(instead, []image.File{
		{Path: busybox, Source: busybox, Mode: 0o755},
		{Path: "/bin/sh", Link: "bash"},
		{Path: "/bin/ash", Link: "bash"},
		{Path: "/etc/wgetrc", Content: "tries = 1\n"}, // as busybox has it
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{Path: "/etc/group", Content: "root:x:0:\nnogroup:x:65534:\n"},
		{Path: "/root", Dir: true, Mode: 0o700},
		{Path: "/tmp", Dir: true, Mode: 0o1777},
		{Path: "/var/tmp", Dir: true, Mode: 0o1777},
	}...)}
	for _, command := range strings.Fields(string(list)) {
		if !slices.Contains(replaced, command) {
			layer.Files = append(layer.Files, image.File{Path: "/bin/" + command, Link: "busybox"})
		}
	}
	return layer, nil
}

// nginxLayer is Debian's nginx set up as the image of that name is: a page on port 80, logs on the
// standard streams, and a bash.
func nginxLayer() (*image.Layer, error) {
	files := []image.File{
		{Path: "/etc/nginx/nginx.conf", Content: nginxConf},
		{Path: "/etc/nginx/conf.d/default.conf", Content: nginxSite},
		{Path: "/etc/nginx/mime.types", Source: "/etc/nginx/mime.types"},
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/bash\nnginx:x:101:101:nginx:/nonexistent:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{Path: "/etc/group", Content: "root:x:0:\nnginx:x:101:\nnogroup:x:65534:\n"},
		{Path: "/var/log/nginx/access.log", Link: "/dev/stdout"},
		{Path: "/var/log/nginx/error.log", Link: "/dev/stderr"},
		{Path: "/var/lib/nginx", Dir: true},
		{Path: "/var/lock", Dir: true},
		{Path: "/run", Dir: true},
	}
	programs, err := withLibraries("/usr/sbin/nginx", "/bin/bash")
	if err != nil {
		return nil, err
	}
	return &image.Layer{Files: append(files, programs...)}, nil
}

// nginxTags are the manual's, and one to update to.
func nginxTags() []string { return []string{"1.15", "1.16", "latest"} }

// nginxImages differ in their page, so that one can see an update arrive.
func nginxImages(lower ...*image.Layer) []image.Image {
	var images []image.Image
	for _, tag := range nginxTags() {
		page := &image.Layer{Files: []image.File{{
			Path:    "/usr/share/nginx/html/index.html",
			Content: fmt.Sprintf(nginxPage, tag),
		}}}
		images = append(images, image.Image{
			Names:  []string{"docker.io/library/nginx:" + tag},
			Layers: append(slices.Clone(lower), page),
			Config: v1.ImageConfig{
				Env:          []string{searchPath, "NGINX_TAG=" + tag},
				Cmd:          []string{"nginx", "-g", "daemon off;"},
				ExposedPorts: map[string]struct{}{"80/tcp": {}},
				StopSignal:   "SIGQUIT", // nginx's graceful end, as in its own image
			},
		})
	}
	return images
}

const nginxConf = `user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
`

const nginxSite = `server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`

const nginxPage = `<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>This is the lab's image nginx:%s, made from Debian's nginx.</p>
</body>
</html>
`

// withLibraries returns programs of this machine with the libraries that they load.
func withLibraries(programs ...string) ([]image.File, error) {
	var files []image.File
	for _, program := range programs {
		files = append(files, image.File{Path: program, Source: program, Mode: 0o755})
		output, err := exec.CommandContext(context.Background(), "ldd", program).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("list the libraries of %s: %w: %s; run hack/install-real-deps.sh", program, err, output)
		}
		for _, library := range parseLdd(string(output)) {
			if _, err := os.Stat(library); err != nil {
				return nil, fmt.Errorf("find a library of %s: %w", program, err)
			}
			files = append(files, image.File{Path: library, Source: library, Mode: 0o755})
		}
	}
	return files, nil
}

// parseLdd returns the files that ldd(1) lists: "name => file (address)" or "file (address)".
func parseLdd(output string) []string {
	var files []string
	for line := range strings.Lines(output) {
		if _, after, ok := strings.Cut(line, "=>"); ok {
			line = after
		}
		if fields := strings.Fields(line); len(fields) > 0 && filepath.IsAbs(fields[0]) {
			files = append(files, fields[0])
		}
	}
	return files
}
