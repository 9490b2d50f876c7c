#!/usr/bin/env bash
# A Docker engine: the one that answers, else one that is started here, until `down.sh --engine`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

need docker 'docker.io'
if docker version >/dev/null 2>&1; then exit 0; fi
[ "$(id -u)" = 0 ] || fail 'no Docker engine answers, and only root can start one: start it, or run this as root'
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
for _ in $(seq 150); do
  if docker version >/dev/null 2>&1; then exit 0; fi
  sleep 0.2
done
tail -n 20 "$cache/kind/dockerd.log" >&2
fail "the Docker engine does not start; the lines above are the end of $cache/kind/dockerd.log"
