#!/usr/bin/env bash
# A kind cluster, from a machine with Go and a Docker engine (or root, to start one). What is there already is kept.
# usage: up.sh      (TRACEWRIGHT_KIND names the cluster; the kubeconfig's path is the last line)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

mkdir -p "$cache/kind"
step 'a Docker engine' "$here/engine.sh"
"$cluster_folder/build.sh" kind kubectl helm >/dev/null
if ! "$bin/kind" get clusters 2>/dev/null | grep -qx "$name"; then
  image=$("$here/node-image.sh")
  step "the cluster $name" "$bin/kind" create cluster --quiet --name "$name" --image "$image" --wait 180s
fi
"$bin/kubectl" --namespace kube-system rollout status deployment/coredns --timeout=180s
echo "$KUBECONFIG"
