#!/usr/bin/env bash
# Builds the Go programs that the tests stand on, from the modules pinned in modules/, into a cache folder outside the
# checkout. A program that is there and was built from the same pins with the same flags is kept.
# usage: build.sh [PROGRAM|GROUP]...      (nothing: control-plane)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
bin=$cache/bin

# Program, group, folder in modules/, package, and seconds from cold caches on two cores, which is what a reader who
# waits wants to know.
programs='
etcd                     control-plane  etcd        go.etcd.io/etcd/server/v3                    25
kube-apiserver           control-plane  kubernetes  k8s.io/kubernetes/cmd/kube-apiserver        255
kube-controller-manager  control-plane  kubernetes  k8s.io/kubernetes/cmd/kube-controller-manager 85
kube-scheduler           control-plane  kubernetes  k8s.io/kubernetes/cmd/kube-scheduler         10
kubectl                  control-plane  kubernetes  k8s.io/kubernetes/cmd/kubectl                20
kwok                     control-plane  kwok        sigs.k8s.io/kwok/cmd/kwok                   105
otelcol                  collector      otelcol     .                                            95
helm                     helm           helm        helm.sh/helm/v4/cmd/helm                    100
kind                     kind           kind        sigs.k8s.io/kind                              5
kubeadm                  kind           kubernetes  k8s.io/kubernetes/cmd/kubeadm                15
kubelet                  kind           kubernetes  k8s.io/kubernetes/cmd/kubelet                20
kube-proxy               kind           kubernetes  k8s.io/kubernetes/cmd/kube-proxy             10
coredns                  kind           coredns     .                                            55
crictl                   kind           crictl      sigs.k8s.io/cri-tools/cmd/crictl             30
'

fail() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

# Prints the rows of the table that the arguments name.
chosen() {
  local wanted
  for wanted in "$@"; do
    awk -v wanted="$wanted" '$1 == wanted || $2 == wanted { print; found = 1 } END { exit !found }' <<<"$programs" ||
      fail "there is no program or group '$wanted'; groups: $(column_of 2); programs: $(column_of 1)"
  done
}

column_of() {
  awk -v column="$1" 'NF && !seen[$column]++ { printf "%s%s", separator, $column; separator = " " }' <<<"$programs"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

# The API server reports its version from here, and clients read it.
linker_flags() {
  local module=$1 version major minor stamp=k8s.io/component-base/version
  printf -- '-s -w'
  if [ "$module" = kubernetes ]; then
    version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' "$here/modules/kubernetes/go.mod")
    IFS=. read -r major minor _ <<<"${version#v}"
    printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean' \
      "$stamp" "$version" "$stamp" "$major" "$stamp" "$minor" "$stamp"
  fi
}

# What a program is built from: its module's files, its package and its flags.
fingerprint() {
  local module=$1 package=$2
  (cd "$here/modules/$module" && sha256sum -- * && echo "$package $GOFLAGS $(linker_flags "$module")") | sha256sum | cut -d ' ' -f 1
}

# kwok's own stages (how a pod becomes ready, completes, is deleted, or fails) belong to its version: one file, out of
# the pinned module.
kwok_stages() {
  local folder file
  folder=$(cd "$here/modules/kwok" && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
  for file in "$folder"/node/fast/node-*.yaml "$folder"/node/heartbeat-with-lease/node-*.yaml \
    "$folder"/pod/fast/pod-*.yaml "$folder"/pod/chaos/pod-*.yaml; do
    cat "$file"
    echo ---
  done
}

is_current() {
  [ -x "$bin/$1" ] && [ "$(cat "$bin/$1.stamp" 2>/dev/null)" = "$(fingerprint "$2" "$3")" ]
}

build() {
  local name=$1 module=$2 package=$3 usual=$4 started=$SECONDS log=$bin/.$1.log
  if is_current "$name" "$module" "$package"; then return; fi
  need go 'install Go 1.26 or newer (an older Go from 1.21 on fetches it by itself)'
  printf '%-24s building (about %d s with cold caches)\n' "$name" "$usual"
  # The lock is not for the compiler: it would outlive this script with it. The new file replaces the old one at once,
  # so a program that runs goes on and nobody sees half of one.
  if ! (
    exec 9>&-
    cd "$here/modules/$module"
    go build -trimpath -ldflags "$(linker_flags "$module")" -o "$bin/.$name.new" "$package"
    if [ "$name" = kwok ]; then kwok_stages >"$bin/kwok.stages.yaml"; fi
  ) >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail "$name could not be built; the lines above are the end of $log"
  fi
  mv "$bin/.$name.new" "$bin/$name"
  fingerprint "$module" "$package" >"$bin/$name.stamp"
  rm -f "$log"
  printf '%-24s built in %d s\n' "$name" $((SECONDS - started))
}

# cgo would tie the programs to this machine's C library; the version of the checkout is not theirs.
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' GOWORK=off

need flock 'install util-linux'
need sha256sum 'install coreutils'
mkdir -p "$bin" || fail "the folder $bin cannot be made; set TRACEWRIGHT_CACHE to one that can be written"
rows=$(chosen "${@:-control-plane}")

missing=
while read -r name _ module package usual; do
  is_current "$name" "$module" "$package" || missing+="$name $module $package $usual"$'\n'
done <<<"$rows"

if [ -n "$missing" ]; then
  # Two builds at once would take twice the memory for the same packages.
  exec 9>"$cache/build.lock"
  flock -n 9 || { echo "another build is running; waiting for it" && flock 9; }
  while read -r name module package usual; do
    build "$name" "$module" "$package" "$usual" </dev/null
  done < <(printf %s "$missing")
fi
printf 'programs are in %s: %s\n' "$bin" "$(cut -d ' ' -f 1 <<<"$rows" | tr '\n' ' ')"
