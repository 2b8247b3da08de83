#!/usr/bin/env bash
# Builds what `labcluster up --real` runs into bin/real: kubelet, kubeadm, kubectl and kube-proxy (the
# versions in cmd/labcluster/go.mod), containerd, runc, CoreDNS and the add-ons (hack/real/*/go.mod),
# and the images. The first time takes about 10 minutes on 2 cores, besides bin/labcluster; a second
# run takes a moment. Needs hack/install-real-deps.sh.
#
# Usage: hack/build-real.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/bin/real
kubernetes=$root/cmd/labcluster
go_version=$(go env GOVERSION)

main() {
  SECONDS=0
  mkdir -p "$out"
  "$root/hack/build-labcluster.sh"
  kubernetes_programs
  local v=github.com/containerd/containerd/v2/version
  programs containerd "-X $v.Version=$(pinned containerd github.com/containerd/containerd/v2)" \
    containerd=github.com/containerd/containerd/v2/cmd/containerd \
    containerd-shim-runc-v2=github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 \
    ctr=github.com/containerd/containerd/v2/cmd/ctr
  v=$(pinned runc github.com/opencontainers/runc)
  CGO_ENABLED=1 TAGS=seccomp programs runc "-X main.version=${v#v}" runc=github.com/opencontainers/runc
  programs coredns "" coredns=github.com/coredns/coredns
  programs metrics-server "-X k8s.io/component-base/version.gitVersion=$(pinned metrics-server sigs.k8s.io/metrics-server)" \
    metrics-server=sigs.k8s.io/metrics-server/cmd/metrics-server
  programs local-path-provisioner "-X main.VERSION=$(pinned local-path-provisioner github.com/rancher/local-path-provisioner)" \
    local-path-provisioner=github.com/rancher/local-path-provisioner
  traefik
  own_programs
  images
  echo "bin/real is up to date ($((SECONDS / 60)):$(printf %02d $((SECONDS % 60))) min)." >&2
}

# pinned tells the version of a module in hack/real/DIR/go.mod.
pinned() { (cd "$root/hack/real/$1" && go list -m -f '{{.Version}}' "$2"); }

# fresh FILE MODFILE: FILE was built since MODFILE changed, by this Go.
fresh() {
  [[ -x $1 && ! $2 -nt $1 && ! ${BASH_SOURCE[0]} -nt $1 && $(go version "$1" | awk '{print $NF}') == "$go_version" ]]
}

# build MODULE LDFLAGS NAME PACKAGE
build() {
  local started=$SECONDS
  echo "Building $3 …" >&2
  (cd "$1" && CGO_ENABLED=${CGO_ENABLED:-0} go build -trimpath ${TAGS:+-tags "$TAGS"} -ldflags "-s -w $2" -o "$out/$3" "$4")
  echo "Built bin/real/$3 in $((SECONDS - started)) s." >&2
}

# programs DIR LDFLAGS NAME=PACKAGE…: builds from hack/real/DIR.
programs() {
  local dir=$root/hack/real/$1 flags=$2 pair
  shift 2
  for pair; do
    fresh "$out/${pair%%=*}" "$dir/go.mod" || build "$dir" "$flags" "${pair%%=*}" "${pair#*=}"
  done
}

kubernetes_programs() {
  local version name package flags
  version=$(cd "$kubernetes" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
  flags=$("$root/hack/build-labcluster.sh" --version-flags "$version")
  for name in kubelet kubeadm kubectl kube-proxy; do
    package=k8s.io/kubernetes/cmd/$name
    fresh "$out/$name" "$kubernetes/go.mod" || build "$kubernetes" "$flags" "$name" "$package"
  done
}

# traefik is built from a vendor folder that is made for it, with hack/real/traefik/overlay in place of what
# is not published; the comments there say what. -e: the modules that are left out are missing.
traefik() {
  local dir=$root/hack/real/traefik source=$out/source/traefik
  if fresh "$out/traefik" "$(find "$dir" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)"; then
    return
  fi
  rm -rf "$source"
  mkdir -p "$source"
  cp -r "$dir/." "$source"
  (cd "$source" && go mod vendor -e && cp -r overlay/. vendor && rm -r overlay)
  build "$source" "-X github.com/traefik/traefik/v3/pkg/version.Version=$(pinned traefik github.com/traefik/traefik/v3)" \
    traefik github.com/traefik/traefik/v3/cmd/traefik
  rm -r "$out/source"
}

own_programs() {
  local source=$kubernetes/internal/real
  if ! fresh "$out/pause" "$source/pause/main.go"; then
    build "$kubernetes" "" pause ./internal/real/pause
  fi
}

images() {
  (cd "$kubernetes" && go run -trimpath ./internal/real/mkimages \
    -programs "$out" -labcluster "$root/bin/labcluster" -out "$out/images")
}

main
