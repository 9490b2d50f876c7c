#!/usr/bin/env bash
# The whole main job, told as a story: one ObservabilityProfile becomes AWS objects, environment variables and a receiver,
# is kept true, and is taken back. Needs neither an AWS account nor Docker.
# usage: tests/demo.sh      (KEEP=1 leaves everything running at the end)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
programs=${CARGO_TARGET_DIR:-target}/debug
drift_interval=3s
# Everything here takes a second or two; a busy machine may need more.
patience=90

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' red='' plain=''
fi

step=0
heading() {
  step=$((step + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
}

say() { printf '   %s\n' "$@"; }

indented() { sed -u 's/^/   /'; }

# Shows a command as somebody would type it, and what it prints.
show() {
  printf '   %s$ %s%s\n' "$dim" "$*" "$plain"
  "$@" 2>&1 | indented
}

# await SENTENCE COMMAND...: until the command succeeds.
await() {
  local sentence=$1 started=$SECONDS seen name
  shift
  until seen=$("$@" 2>&1); do
    if [ $((SECONDS - started)) -ge "$patience" ]; then
      fail "waited $patience s until $sentence; the last answer was: ${seen:-nothing}"
    fi
    for name in "${!pids[@]}"; do
      kill -0 "${pids[$name]}" 2>/dev/null || fail "$name has ended by itself"
    done
    sleep 0.2
  done
  say "$sentence"
}

fail() {
  printf '\n%sThis did not come true:%s %s\n' "$red" "$plain" "$1" >&2
  if [ -s "$folder/operator.log" ]; then
    printf "%sThe end of the operator's log:%s\n" "$bold" "$plain" >&2
    tail -n 25 "$folder/operator.log" >&2
  fi
  exit 1
}

declare -A pids=()

# start NAME COMMAND...: in a session of its own, so that Ctrl-C is this script's alone and it ends them in order.
start() {
  local name=$1
  shift
  setsid "$@" >"$folder/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
}

finish() {
  local status=$? name
  trap - EXIT INT TERM HUP
  if [ "$status" -ne 130 ] && [ "${KEEP:-}" = 1 ] && [ ${#pids[@]} -gt 0 ]; then
    keep
    exit "$status"
  fi
  for name in activities collector operator emulator control-plane; do
    [ -n "${pids[$name]:-}" ] || continue
    kill "${pids[$name]}" 2>/dev/null || continue
    # The control plane has five processes to end; none takes long.
    for _ in $(seq 100); do
      kill -0 "${pids[$name]}" 2>/dev/null || continue 2
      sleep 0.1
    done
    kill -KILL "${pids[$name]}" 2>/dev/null || true
  done
  rm -rf "$folder"
  exit "$status"
}

keep() {
  printf '\n%sEverything is still running (KEEP=1).%s In another terminal:\n' "$bold" "$plain"
  say "export KUBECONFIG=$KUBECONFIG PATH=$path_added:\$PATH" \
    "export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL AWS_REGION=$AWS_REGION AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY" \
    '# The log group that stayed is nobody'"'"'s: a cluster admin allows the namespace to take it over, and the profile says so.' \
    'kubectl annotate namespace cruddur tracewright.dev/allow-adopt=cruddur' \
    'kubectl apply -f examples/cruddur.yaml' \
    "kubectl patch obsp cruddur --type json -p '[{\"op\": \"add\", \"path\": \"/spec/logs/groups/0/adoptionPolicy\", \"value\": \"Adopt\"}]'" \
    'kubectl wait --for=condition=Ready obsp/cruddur; kubectl describe obsp cruddur; demo-aws list' \
    "logs are in $folder"
  say "to stop it: kill ${pids[*]}; rm -rf $folder"
}

need() {
  command -v "$1" >/dev/null || {
    echo "$1 is missing: install $2" >&2
    exit 1
  }
}
need cargo 'Rust, by rustup'
need setsid util-linux
. tests/demo/telemetry.sh

started=$SECONDS
folder=$(mktemp -d)
trap finish EXIT
trap 'exit 130' INT TERM HUP

cat <<'TEXT'
Tracewright keeps the observability of a service as an ObservabilityProfile declares it: X-Ray groups and sampling rules,
log groups, the X-Ray receiver, and the environment variables of the workloads.

Real here:      the Kubernetes control plane (API server, etcd, controllers, scheduler), the operator, an OpenTelemetry Collector,
                the activities service, and the AWS protocols.
Simulated here: AWS itself (an emulator in memory), and nodes and pods (kwok: pods become ready, nothing runs in them).
TEXT

heading 'Build what is not built yet'
tests/cluster/build.sh control-plane | indented
# With the features of the whole workspace, as for the tests: dependencies are then built once for both.
cargo build --locked --workspace --bin tracewright --bin aws-emulator --bin control-plane --bin demo-aws 2>&1 | indented
telemetry_programs
built=$((SECONDS - started))

heading 'Start a control plane, an AWS and the operator'
path_added=$(cd "$programs" && pwd):$cache/bin
export PATH=$path_added:$PATH KUBECONFIG=$folder/kubeconfig
start emulator aws-emulator --listen 127.0.0.1:0
start control-plane control-plane --kubeconfig "$KUBECONFIG"
await 'the AWS emulator listens' grep -q : "$folder/emulator.log"
AWS_ENDPOINT_URL=http://$(head -n 1 "$folder/emulator.log")
export AWS_ENDPOINT_URL AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo
# Nobody's own settings get in the way.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_XRAY AWS_ENDPOINT_URL_LOGS AWS_ENDPOINT_URL_STS
await 'the control plane is ready' test -s "$KUBECONFIG"
tracewright crd | kubectl apply --server-side -f - >/dev/null
kubectl wait --for=condition=Established crd/observabilityprofiles.tracewright.dev --timeout=30s >/dev/null
kubectl create namespace tracewright >/dev/null
# Pods are simulated, so no receiver can be asked over the network whether it answers; its pods are looked at instead.
start operator tracewright operator --namespace tracewright --drift-interval "$drift_interval" --tag-settle-time 2s \
  --receiver-check pods --metrics-address 127.0.0.1:0 --probe-address 127.0.0.1:0
await 'the operator leads' grep -q 'holds the lease' "$folder/operator.log"
say "It looks for drift every $drift_interval here, so that this takes no longer than it must; by default every 5 minutes."

heading 'A service without observability, and the Secrets that its profile will name'
kubectl create namespace cruddur >/dev/null
kubectl config set-context --current --namespace cruddur >/dev/null
kubectl create secret generic honeycomb --from-literal=api-key=demo >/dev/null
kubectl create secret generic aws --from-literal=AWS_ACCESS_KEY_ID=demo --from-literal=AWS_SECRET_ACCESS_KEY=demo >/dev/null
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend-flask, labels: {app: backend-flask}}
spec:
  replicas: 2
  selector: {matchLabels: {app: backend-flask}}
  template:
    metadata: {labels: {app: backend-flask}}
    spec:
      containers:
        - name: backend-flask
          image: backend-flask:1
          env: [{name: FRONTEND_URL, value: "https://cruddur.example"}]
YAML
kubectl rollout status deployment/backend-flask --timeout "${patience}s" >/dev/null
variables='{{range (index .spec.template.spec.containers 0).env}}{{.name}}={{if .value}}{{.value}}{{else}}{{with .valueFrom.secretKeyRef}}(Secret {{.name}}, key {{.key}}){{end}}{{with .valueFrom.fieldRef}}({{.fieldPath}}){{end}}{{end}}
{{end}}'
say 'Variables of the Deployment backend-flask:'
kubectl get deployment backend-flask -o go-template="$variables" | indented

heading 'What would the profile do? (examples/cruddur.yaml)'
# It exits with 1 where it finds something to do.
show tracewright plan examples/cruddur.yaml || [ $? -eq 1 ]

heading 'Apply it'
show kubectl apply -f examples/cruddur.yaml
kubectl wait --for=condition=Ready obsp/cruddur --timeout "${patience}s" >/dev/null || fail 'the profile is Ready'
show kubectl get obsp
say "$dim\$ kubectl describe obsp cruddur$plain   (shortened to its conditions)"
conditions='{{range .status.conditions}}{{printf "%-18s %-6s %-14s %s\n" .type .status .reason .message}}{{end}}'
kubectl get obsp cruddur -o go-template="$conditions" | indented
say '' 'AWS now:'
demo-aws list | indented
say '' 'Variables of the Deployment backend-flask now (its own one stays, and it was rolled out):'
kubectl get deployment backend-flask -o go-template="$variables" | indented
say '' 'The X-Ray receiver:'
kubectl get deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies \
  -l tracewright.dev/profile=cruddur --no-headers -o custom-columns='K:.kind,N:.metadata.name' | indented

heading 'Edit it: sample half of the requests, keep logs for 30 days'
edit='[{"op": "replace", "path": "/spec/xray/samplingRules/0/fixedRate", "value": 0.5},
       {"op": "replace", "path": "/spec/logs/groups/0/retentionInDays", "value": 30}]'
say "$dim\$ kubectl patch obsp cruddur ... --dry-run=server -o yaml | tracewright plan -$plain"
kubectl patch obsp cruddur --type json --patch "$edit" --dry-run=server -o yaml |
  { tracewright plan - || [ $? -eq 1 ]; } | grep '^  [~+!-] ' | indented
kubectl patch obsp cruddur --type json --patch "$edit" | indented
listed() { [[ $(demo-aws list) == *"$1"* ]]; }
await 'the rule has its new rate' listed 'rate 0.5'
await 'the log group has its new retention' listed '30 days'
demo-aws list | indented

heading "Delete the sampling rule behind the operator's back"
show demo-aws delete-sampling-rule Cruddur
await 'the drift check has made it again' listed 'sampling rule  Cruddur'
demo-aws list | grep '^sampling rule' | indented
show kubectl get events --field-selector involvedObject.name=cruddur -o custom-columns=REASON:.reason,NOTE:.message --sort-by=.metadata.creationTimestamp

telemetry_demo

heading 'Delete the profile'
show kubectl delete obsp cruddur --timeout "${patience}s"
say 'The group and the rule are gone; the log group stays, because events are lost with one, and is nobody'"'"'s now:'
demo-aws list | indented
say 'Variables of the Deployment backend-flask:'
kubectl get deployment backend-flask -o go-template="$variables" | indented
receiver_is_gone() { [ -z "$(kubectl get deployments,services,configmaps -l tracewright.dev/profile=cruddur -o name)" ]; }
await 'the receiver went with the profile' receiver_is_gone
if listed 'sampling rule' || listed 'X-Ray group'; then fail 'the group and the rule are gone'; fi
listed '(nobody)' || fail 'the log group stays, and is nobody'"'"'s'

printf '\n%sDone%s in %d s (and %d s to build). ' "$bold" "$plain" $((SECONDS - started - built)) "$built"
[ "${KEEP:-}" = 1 ] || echo 'KEEP=1 make demo leaves everything running.'
