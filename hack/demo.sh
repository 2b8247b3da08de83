#!/usr/bin/env bash
# Walks the manual's path on a local cluster with simulated nodes, shows what each command prints,
# and removes the cluster again. Needs bin/kubectl-lab and bin/labcluster: make demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d)
export KUBECONFIG=$dir/kubeconfig
bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

finish() {
  bin/labcluster down --data-dir "$dir/cluster" >/dev/null
  rm -rf "$dir"
}
trap finish EXIT

# lab shows a command as the user would type it, and runs it.
lab() {
  printf '\n%s$ kubectl lab %s%s\n' "$bold" "$*" "$plain"
  bin/kubectl-lab "$@"
}

bin/labcluster up --data-dir "$dir/cluster" --kubeconfig "$KUBECONFIG"
lab status --wait --timeout 60s
lab label nodes k8s02 node=node01
lab label nodes k8s03 node=node02
lab create pod nginx-test --image docker.io/library/nginx:1.15 --count 3 --labels app=nt,step=dev --port 80 --serve-hostname --wait
lab create service nginx-test-svc --port 8000:80 --selector app=nt --type LoadBalancer --external-ip 192.168.0.111
lab get pods -o wide
lab describe
printf '\n%s$ kubectl lab token --create%s\n' "$bold" "$plain"
bin/kubectl-lab token --create | sed -E 's/eyJ[A-Za-z0-9_.-]+/<the token, shown to you only>/'
lab delete --lab
printf '\nThe manual'\''s path is done; removing the cluster.\n'
