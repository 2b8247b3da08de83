#!/usr/bin/env bash
# Opens the bot's playground on a local cluster, and removes the cluster at the end (Ctrl-C). Needs
# bin/labbot and bin/labcluster: make demo-bot.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d)
export KUBECONFIG=$dir/kubeconfig
finish() {
  bin/labcluster down --data-dir "$dir/cluster" >/dev/null
  rm -rf "$dir"
}
trap finish EXIT
trap : INT # the playground ends by itself

bin/labcluster up --data-dir "$dir/cluster" --kubeconfig "$KUBECONFIG"
bin/labbot playground
