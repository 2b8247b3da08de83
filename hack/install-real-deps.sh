#!/usr/bin/env bash
# Installs the Debian packages that `labcluster up --real` and its build need. Needs root.
set -euo pipefail

packages=(
  busybox-static             # the shell image
  conntrack                  # kubelet and kube-proxy look for it
  containernetworking-plugins # bridge, host-local, portmap
  curl                       # to try the services from a node
  gcc                        # runc is built with cgo
  iproute2
  libc6-dev
  libseccomp-dev             # runc's seccomp
  nftables                   # kube-proxy runs nft
  nginx-light                # the manual's image
  pkg-config
  util-linux                 # nsenter
  wget                       # in the shell image
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi
if ((EUID != 0)); then
  echo "missing packages: ${missing[*]}; install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
apt-get update -qq
# No service is to be started by them: nginx is only taken apart for its image.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
