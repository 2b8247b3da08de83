#!/usr/bin/env bash
# Checks what no linter does: modules are tidy, generated files are current, and names that are
# stated once are used as stated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail=0

complain() {
  echo "verify: $*" >&2
  fail=1
}

# hack/real/traefik leaves out modules that tidying would ask for.
while read -r mod; do
  (cd "$(dirname "$mod")" && go mod tidy -diff >/dev/null) || complain "$mod is not tidy: run go mod tidy there"
done < <(git ls-files '*go.mod' | grep -v -e '^tools/' -e '^hack/real/traefik/go.mod$')

go run ./hack/clidocs - | diff -u docs/reference.md - >&2 || complain "docs/reference.md is old: run make generate"

plugin=$(sed -n 's/^const Plugin = "\(.*\)"$/\1/p' internal/cli/root.go)
[[ -d cmd/kubectl-$plugin && -x hack/kubectl_complete-$plugin ]] || complain "cmd/ and hack/ do not follow the plugin's name $plugin"
grep -q "^  name: $plugin$" plugins.yaml || complain "plugins.yaml is not of the plugin $plugin: run make dist"

exit $fail
