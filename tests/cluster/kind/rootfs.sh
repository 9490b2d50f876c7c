#!/usr/bin/env bash
# The Debian userland of a node, as the Docker image tracewright-kind-rootfs:<suite>: what kind's own base image installs,
# with Debian's containerd, runc and network plugins.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

suite=bookworm
image=tracewright-kind-rootfs:$suite
if docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi
need debootstrap debootstrap
# Where this machine gets its packages from, if it is a Debian; else Debian's own address.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "RELEASE: $suite" 2>/dev/null | head -n 1 || true)
mirror=${TRACEWRIGHT_DEBIAN_MIRROR:-${mirror:-http://deb.debian.org/debian}}

packages=(
  systemd conntrack iptables nftables iproute2 ethtool util-linux mount kmod pigz
  containerd runc containernetworking-plugins
  ca-certificates curl jq procps
)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$root" "$mirror" >"$cache/kind/rootfs.log" 2>&1 ||
  { tail -n 20 "$cache/kind/rootfs.log" >&2 && fail "debootstrap failed; the lines above are the end of $cache/kind/rootfs.log"; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
tar -C "$root" -c . | docker import - "$image" >/dev/null
