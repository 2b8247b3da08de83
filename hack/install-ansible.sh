#!/bin/sh
# Installs Debian's ansible-core, which the tests of pkg/inventory compare with. Run it as root.
set -eu

if command -v ansible-inventory >/dev/null 2>&1; then
	echo "ansible-inventory is there: $(command -v ansible-inventory)"
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends ansible-core
ansible-inventory --version
