# Sourced by the scripts of this folder: where things are and what the cluster is called.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cluster_folder=$(dirname "$here")
cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
bin=$cache/bin
# Of this checkout's own cluster; other clusters of the machine are left alone.
name=${TRACEWRIGHT_KIND:-tracewright}
export KUBECONFIG=$cache/kind/$name.kubeconfig
# The classic builder: it is in every engine and needs no plugin.
export DOCKER_BUILDKIT=0

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2"
}

# step SENTENCE COMMAND...: what takes long says so, and how long it took.
step() {
  local sentence=$1 started=$SECONDS
  shift
  "$@"
  printf '%-50s %4d s\n' "$sentence" $((SECONDS - started))
}

# The folder of a module's pinned version.
module() {
  (cd "$cluster_folder/modules/$1" && go list -mod=readonly -m -f '{{.Dir}}' "$2")
}

# has_capability NUMBER: some sandboxes take capabilities from root.
has_capability() {
  local bounding
  bounding=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
  [ $((0x$bounding >> $1 & 1)) -eq 1 ]
}

# Whether a process may raise limits and lower OOM scores.
has_cap_sys_resource() { has_capability 24; }

has_cgroup_v2() {
  [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]
}
