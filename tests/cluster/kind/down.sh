#!/usr/bin/env bash
# Deletes the cluster; with --engine, also ends the Docker engine that engine.sh started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

if docker version >/dev/null 2>&1 && [ -x "$bin/kind" ]; then
  "$bin/kind" delete cluster --name "$name"
fi
if [ "${1:-}" = --engine ] && [ -e "$cache/kind/dockerd.pid" ]; then
  pid=$(cat "$cache/kind/dockerd.pid")
  kill "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
fi
