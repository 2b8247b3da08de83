#!/usr/bin/env bash
# Installs what the build and the tests need beside Go: Debian packages, if this is a Debian machine
# and we are root. Elsewhere it says what is missing. Does nothing if all is there.
set -euo pipefail

# command:package
needs=(
  git:git
  make:make
  gcc:gcc                        # the race detector
  ansible-community:ansible      # what pkg/inventory is compared with; its collections have the jsonl callback
  tar:tar
  chromium:chromium              # the playground's page
)

missing=()
for need in "${needs[@]}"; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi
if ! command -v apt-get >/dev/null || ((EUID != 0)); then
  echo "install these first, then run this again: ${missing[*]}" >&2
  exit 1
fi
echo "installing: ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
