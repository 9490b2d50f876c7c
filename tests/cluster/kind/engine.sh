#!/usr/bin/env bash
# A Docker engine: the one that answers, else one that is started here, until `down.sh --engine`.
# exit code: 69 (EX_UNAVAILABLE) where this machine lets nobody start one, 1 for everything else
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

unavailable() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 69
}

need docker 'docker.io'
if docker version >/dev/null 2>&1; then exit 0; fi
[ "$(id -u)" = 0 ] || unavailable 'no Docker engine answers, and only root can start one: start it, or run this as root'
# An engine mounts file systems and makes networks.
has_capability 21 || unavailable 'no Docker engine answers, and none can be started without CAP_SYS_ADMIN: run this where root has it'
has_capability 12 || unavailable 'no Docker engine answers, and none can be started without CAP_NET_ADMIN: run this where root has it'
need dockerd 'docker.io'
mkdir -p "$cache/kind"

flags=()
if ! has_cap_sys_resource; then
  need jq jq
  # kind asks for privileged containers, which then ask for a capability that cannot be had.
  flags=(--add-runtime "bounded=$here/runc-bounded" --default-runtime bounded)
fi
setsid dockerd "${flags[@]}" --exec-opt native.cgroupdriver=cgroupfs --pidfile "$cache/kind/dockerd.pid" \
  >"$cache/kind/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 300); do
  if docker version >/dev/null 2>&1; then exit 0; fi
  sleep 0.2
done
tail -n 20 "$cache/kind/dockerd.log" >&2
# Some sandboxes leave root its capabilities and refuse their use.
if grep -E 'failed to start daemon|level=fatal' "$cache/kind/dockerd.log" | grep -qiE 'operation not permitted|permission denied'; then
  unavailable "this machine refuses what a Docker engine needs; the lines above are the end of $cache/kind/dockerd.log"
fi
fail "the Docker engine does not start; the lines above are the end of $cache/kind/dockerd.log"
