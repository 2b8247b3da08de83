#!/usr/bin/env bash
# Runs every fuzz target of the module for a while each. Usage: hack/fuzz.sh [TIME], default 5s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-5s}

grep -rlE '^func Fuzz' --include='*_test.go' internal pkg | xargs -n1 dirname | sort -u | while read -r dir; do
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{print $2}'); do
    echo "== $dir $target"
    go test "./$dir" -run='^$' -fuzz="^$target\$" -fuzztime="$time"
  done
done
