#!/usr/bin/env bash
# Prints the name of the node image. Where an image registry answers it is the kind release's own. Elsewhere it is built:
# Debian's userland, the files of the pinned kind module, and Kubernetes built from its modules.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
exec 3>&1 1>&2

# The image that the pinned kind was released with, by digest.
released() {
  sed -n 's/^const Image = "\(.*\)"$/\1/p' "$(module kind sigs.k8s.io/kind)/pkg/apis/config/defaults/image.go"
}

# What a built image is made of: this folder, and the programs, which have their own stamps.
fingerprint() {
  local programs=(kubeadm kubelet kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd coredns crictl kind)
  {
    find "$here" -type f -print0 | sort -z | xargs -0 sha256sum
    for program in "${programs[@]}"; do cat "$bin/$program.stamp"; done
    if has_cap_sys_resource; then echo cap_sys_resource; fi
    if has_cgroup_v2; then echo cgroup2; fi
  } | sha256sum | cut -c 1-12
}

build_base() {
  mkdir "$stage/bin"
  cp -r --no-preserve=mode "$(module kind sigs.k8s.io/kind)/images/base/files" "$stage/files"
  cp -r "$here/node/files/." "$stage/files"
  chmod 755 "$stage"/files/usr/local/bin/* "$stage"/files/kind/bin/*
  cp "$bin"/{kubeadm,kubelet,kubectl,crictl} "$stage/bin"
  local settings=()
  has_cap_sys_resource || settings+=(--build-arg restrict_oom_score_adj=true)
  has_cgroup_v2 || settings+=(--build-arg kubelet_flags=--fail-cgroupv1=false)
  docker build -q -t "$base" --build-arg "kubernetes_version=$version" "${settings[@]}" -f "$here/node/Dockerfile" "$stage"
}

# What runs in the control plane's pods, under the names that kubeadm asks for.
build_component_images() {
  local name program pause
  pause=$(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$stage/files/etc/containerd/config.toml")
  images=("$pause")
  gcc -static -s -O2 -DVERSION=local -o "$stage/pause" "$(module kubernetes k8s.io/kubernetes)/build/pause/linux/pause.c"
  tar -C "$stage" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - "$pause"
  for name in $("$bin/kubeadm" config images list --kubernetes-version "$version"); do
    program=$(basename "${name%:*}")
    case $program in
      pause) continue ;;
      kube-proxy)
        mkdir "$stage/proxy"
        cp "$bin/kube-proxy" "$stage/proxy"
        docker build -q -t "$name" -f "$here/node/kube-proxy.Dockerfile" "$stage/proxy"
        ;;
      *)
        tar -C "$bin" -c --transform 's,^,usr/local/bin/,' "$program" |
          docker import --change "ENTRYPOINT [\"/usr/local/bin/$program\"]" - "$name"
        ;;
    esac
    images+=("$name")
  done
}

# Puts them into the node's containerd, as `kind build node-image` does.
load_component_images() {
  docker run -d --name "$builder" --security-opt seccomp=unconfined --entrypoint sleep "$base" infinity
  docker exec -d "$builder" containerd
  docker exec "$builder" timeout 30 bash -c 'until ctr version >/dev/null 2>&1; do sleep 0.2; done'
  docker save "${images[@]}" |
    docker exec -i "$builder" ctr --namespace=k8s.io images import --all-platforms --no-unpack --digests -
  docker exec "$builder" pkill containerd
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' "$builder" "$image"
}

need go 'Go 1.26 or newer'
image=$(released)
[ -n "$image" ] || fail 'the pinned kind names no node image where it used to: look at its pkg/apis/config/defaults/image.go'
if docker image inspect "$image" >/dev/null 2>&1 || timeout 600 docker pull -q "$image" >/dev/null 2>&1; then
  echo "$image" >&3
  exit 0
fi

"$cluster_folder/build.sh" control-plane kind
image=tracewright-kind-node:$(fingerprint)
if ! docker image inspect "$image" >/dev/null 2>&1; then
  need gcc 'gcc and libc6-dev'
  step 'the userland of the node' "$here/rootfs.sh"
  version=$("$bin/kubeadm" version -o short)
  base=tracewright-kind-base:$version
  stage=$(mktemp -d)
  builder=tracewright-kind-build-$$
  trap 'docker rm -f -v "$builder" >/dev/null 2>&1 || true; rm -rf "$stage"' EXIT
  log=$cache/kind/node-image.log
  # Not as a condition: inside one, bash lets failing commands pass.
  set +e
  (set -e; build_base; build_component_images; load_component_images) >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    tail -n 20 "$log" >&2
    fail "the node image cannot be built; the lines above are the end of $log"
  fi
fi
echo "$image" >&3
