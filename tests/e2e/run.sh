#!/usr/bin/env bash
# The end-to-end test on a kind cluster: `make e2e`. On another cluster, whose nodes can pull the images from a registry:
#
#   export KUBECONFIG=… TRACEWRIGHT_E2E_REGISTRY=registry.example.com/team/
#   tests/e2e/run.sh --here
#
# Everything it makes is in namespaces that begin with e2e-. KEEP=1 leaves cluster and namespaces; `make kind-down` removes the
# cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
cargo=${CARGO:-cargo}
kind_cluster=${TRACEWRIGHT_KIND:-tracewright}
target=$(rustc -vV | sed -n 's/^host: //p')
here=false
[ "${1:-}" != --here ] || here=true

# Ends what was begun: on a failure everything that may explain it is collected first.
finish() {
  local status=$?
  trap - EXIT
  if [ "$status" -ne 0 ] && [ -n "${KUBECONFIG:-}" ]; then
    tests/e2e/collect.sh || true
  fi
  if [ "$here" = false ] && [ "${KEEP:-}" = 1 ]; then
    printf '\nThe cluster stays (KEEP=1):\n  export KUBECONFIG=%s PATH=%s:$PATH\nto remove it: make kind-down\n' "$KUBECONFIG" "$cache/bin"
  elif [ "$here" = false ]; then
    tests/cluster/kind/down.sh
  fi
  exit "$status"
}

tests/cluster/build.sh kubectl helm collector
TRACEWRIGHT_E2E_COLLECTOR=$(awk '$1 == "go.opentelemetry.io/collector/otelcol" { print substr($2, 2); exit }' tests/cluster/modules/otelcol/go.mod)
export TRACEWRIGHT_E2E_COLLECTOR
export TRACEWRIGHT_BIN=$PWD/${CARGO_TARGET_DIR:-target}/$target/image/tracewright
[[ ${CARGO_TARGET_DIR:-} != /* ]] || TRACEWRIGHT_BIN=$CARGO_TARGET_DIR/$target/image/tracewright

if [ "$here" = true ]; then
  [ -n "${KUBECONFIG:-}" ] || { echo 'KUBECONFIG is not set: it names the cluster to test' >&2 && exit 1; }
  images/build.sh --no-load
else
  export KUBECONFIG=$cache/kind/$kind_cluster.kubeconfig
  trap finish EXIT
  tests/cluster/kind/up.sh
  images/build.sh
  for image in tracewright activities aws-emulator otelcol e2e-probe; do
    "$cache/bin/kind" load image-archive --name "$kind_cluster" "$cache/images/$image.tar"
  done
  nodes=$("$cache/bin/kind" get nodes --name "$kind_cluster" | tr '\n' ' ')
  export TRACEWRIGHT_E2E_RESTART_NODES="docker restart $nodes"
fi
trap finish EXIT
"$cargo" test --locked --workspace --test e2e
