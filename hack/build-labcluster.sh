#!/usr/bin/env bash
# Builds bin/labcluster, a Kubernetes control plane in one binary. The first time compiles some 2,700
# packages, which takes about 6 minutes on 2 cores; this shows how far it is. Does nothing if the
# binary is up to date.
#
# Usage: hack/build-labcluster.sh [OUTPUT]
#        hack/build-labcluster.sh --version-flags VERSION   prints the linker's flags and ends
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=$root/cmd/labcluster
output=${1:-$root/bin/labcluster}
[[ $output == --* ]] || output=$(mkdir -p "$(dirname "$output")" && cd "$(dirname "$output")" && pwd)/$(basename "$output")
line_every=20 # seconds, where there is no terminal

export CGO_ENABLED=0

up_to_date() {
  [[ -x $output ]] &&
    [[ $(go version "$output" | awk '{print $NF}') == "$(go env GOVERSION)" ]] &&
    [[ -z $(find "$module" "${BASH_SOURCE[0]}" -type f -newer "$output" ! -name '*_test.go' ! -name '*.md' -print -quit) ]]
}

# Without these, the API server would call itself v0.0.0-master: Kubernetes' own build sets them.
version_flags() {
  local version=$1 rest pkg=k8s.io/component-base/version
  rest=${version#v}
  printf -- '-X %s.gitVersion=%s ' "$pkg" "$version"
  printf -- '-X %s.gitMajor=%s ' "$pkg" "${rest%%.*}"
  rest=${rest#*.}
  printf -- '-X %s.gitMinor=%s ' "$pkg" "${rest%%.*}"
  printf -- '-X %s.gitCommit=%s ' "$pkg" unknown # the Go module does not tell
  printf -- '-X %s.gitTreeState=archive ' "$pkg"
  printf -- '-X %s.buildDate=%s' "$pkg" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
}

if [[ ${1:-} == --version-flags ]]; then
  version_flags "$2"
  exit 0
fi

# Reads the names of the packages as they are compiled, and tells how far that is. A timer makes it
# speak up during a long package too.
show_progress() {
  local total=$1 done=0 next=0 status
  while true; do
    status=0
    IFS= read -r -t 1 line || status=$?
    if ((status == 0)); then
      case $line in
        go:* | \#* | *' '* | *:*) printf '%s\n' "$line" >&2 ;; # not a package: a message
        *) done=$((done + 1)) ;;
      esac
    elif ((status <= 128)); then
      break # the end
    fi
    if [[ -t 2 ]]; then
      printf '\r\033[K  compiled %d of %d packages, %s' "$done" "$total" "$(elapsed)" >&2
    elif ((SECONDS >= next)); then
      printf '  compiled %d of %d packages, %s\n' "$done" "$total" "$(elapsed)" >&2
      next=$((SECONDS + line_every))
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

elapsed() { printf '%d:%02d min' $((SECONDS / 60)) $((SECONDS % 60)); }

if up_to_date; then
  exit 0
fi

cd "$module"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
echo "Building labcluster (Kubernetes $version) …" >&2
go mod download
total=$(go list -trimpath -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' . | grep -c . || true)
SECONDS=0
go build -v -trimpath -ldflags "-s -w $(version_flags "$version")" -o "$output" . 2>&1 | show_progress "$total"
echo "Built ${output#"$root/"} in $(elapsed)." >&2
