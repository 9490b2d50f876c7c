#!/usr/bin/env bash
# Collects what may explain a failure of the end-to-end test into a folder of the cache, and shows the most telling part.
set -uo pipefail
cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
kubectl=$cache/bin/kubectl
folder=$cache/e2e/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$folder"

"$kubectl" get nodes,pods,services,deployments,observabilityprofiles --all-namespaces -o wide >"$folder/objects.txt" 2>&1
"$kubectl" get events --all-namespaces --sort-by=.lastTimestamp >"$folder/events.txt" 2>&1
"$kubectl" get observabilityprofiles --all-namespaces -o yaml >"$folder/profiles.yaml" 2>&1
for namespace in e2e-operator e2e-aws e2e-cruddur e2e-journal; do
  "$kubectl" describe all --namespace "$namespace" >"$folder/$namespace.txt" 2>&1
  for pod in $("$kubectl" get pods --namespace "$namespace" -o name 2>/dev/null); do
    for flag in '' --previous; do
      "$kubectl" logs --namespace "$namespace" "$pod" --all-containers --timestamps --tail=2000 $flag \
        >"$folder/$namespace.${pod#pod/}$flag.log" 2>/dev/null || rm -f "$folder/$namespace.${pod#pod/}$flag.log"
    done
  done
done

sed 's/^/  /' "$folder/objects.txt"
echo '  the last events:'
tail -n 25 "$folder/events.txt" | sed 's/^/  /'
for log in "$folder"/e2e-operator.*.log; do
  [ -e "$log" ] || continue
  echo "  the end of ${log##*/}:"
  tail -n 15 "$log" | cut -c 1-400 | sed 's/^/  /'
done
echo "events, logs and descriptions are in $folder"
