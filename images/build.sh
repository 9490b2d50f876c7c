#!/usr/bin/env bash
# Builds the images into the cache folder, one OCI archive each, and loads them into the Docker engine:
#   tracewright, activities            what users run
#   aws-emulator, otelcol, e2e-probe   what the tests run beside them
# FROM scratch, without a shell: a static program, the CA bundle, a user. The same commit, Rust, Go, C compiler and libc give
# the same digests. Nothing comes from an image registry.
# usage: build.sh [--no-load]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
out=$cache/images
target_folder=${TRACEWRIGHT_IMAGES_TARGET:-${CARGO_TARGET_DIR:-$PWD/target}}
cargo=${CARGO:-cargo}

fail() {
  printf 'images/build.sh: %s\n' "$*" >&2
  exit 1
}
load=docker
[ "${1:-}" != --no-load ] || load=
for command in jq gzip sha256sum $load; do
  command -v "$command" >/dev/null || fail "$command is missing: install it"
done

target=$(rustc -vV | sed -n 's/^host: //p')
[[ $target == *-linux-gnu ]] || fail "images are built on Linux with glibc, not on $target"
case $target in
  x86_64-*) architecture=amd64 ;;
  aarch64-*) architecture=arm64 ;;
  *) fail "there is no name for the architecture of $target" ;;
esac
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
collector_version=$(awk '$1 == "go.opentelemetry.io/collector/otelcol" { print substr($2, 2); exit }' tests/cluster/modules/otelcol/go.mod)
# All times in the images are the commit's.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git rev-parse HEAD 2>/dev/null || true)
if [ -n "$revision" ] && [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  revision+=-dirty
fi

# The paths of this machine are in no program. Those of this workspace are relative anyway, and a flag with them would build
# everything anew in every checkout. glibc is in them, so that nothing else is needed at run time; tables for unwinding are
# not: a panic aborts. The time that C compilers are told is always the same: with another one everything is built anew.
programs() {
  local cargo_home=${CARGO_HOME:-$HOME/.cargo}
  RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$target_folder=/target" \
    CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$target_folder=/target" \
    SOURCE_DATE_EPOCH=0 CARGO_TARGET_DIR=$target_folder "$cargo" build --profile image --locked --target "$target" \
    -p tracewright -p activities -p aws-emulator -p e2e-probe -p tracewright-ca-bundle
  tests/cluster/build.sh collector >/dev/null
  built=$target_folder/$target/image
}

# image NAME VERSION PROGRAM DESCRIPTION [ARGUMENT...]: writes $out/NAME.tar and prints its digest and compressed size.
image() {
  local name=$1 version=$2 program=$3 description=$4 stage diff layer config manifest created
  shift 4
  stage=$(mktemp -d)
  mkdir -p "$stage/root/etc/ssl/certs" "$stage/oci/blobs/sha256"
  install -m 755 "$program" "$stage/root/$name"
  install -m 644 "$out/ca-certificates.crt" "$stage/root/etc/ssl/certs/"
  echo 'nonroot:x:65532:65532::/:/' >"$stage/root/etc/passwd"
  echo 'nonroot:x:65532:' >"$stage/root/etc/group"
  chmod -R go=u-w "$stage/root"
  tar -C "$stage/root" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    -cf "$stage/layer.tar" .
  diff=$(digest <"$stage/layer.tar")
  gzip -9n "$stage/layer.tar"
  size=$(stat -c %s "$stage/layer.tar.gz")
  layer=$(blob "$stage/layer.tar.gz")
  created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  jq -cn --arg created "$created" --arg architecture "$architecture" --arg diff "sha256:$diff" --arg name "$name" \
    --arg version "$version" --arg description "$description" --arg revision "$revision" --argjson arguments "$(list "$@")" '{
      created: $created, architecture: $architecture, os: "linux",
      config: {
        User: "65532:65532", WorkingDir: "/", Entrypoint: ["/" + $name], Cmd: $arguments,
        Labels: {
          "org.opencontainers.image.title": $name, "org.opencontainers.image.description": $description,
          "org.opencontainers.image.version": $version, "org.opencontainers.image.revision": $revision,
          "org.opencontainers.image.created": $created, "org.opencontainers.image.licenses": "Apache-2.0"}},
      rootfs: {type: "layers", diff_ids: [$diff]},
      history: [{created: $created, created_by: "images/build.sh"}]}' >"$stage/config.json"
  local config_size manifest_size
  config_size=$(stat -c %s "$stage/config.json")
  config=$(blob "$stage/config.json")
  jq -cn --arg config "sha256:$config" --argjson config_size "$config_size" --arg layer "sha256:$layer" --argjson size "$size" '{
      schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: $config_size},
      layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: $layer, size: $size}]}' >"$stage/manifest.json"
  manifest_size=$(stat -c %s "$stage/manifest.json")
  manifest=$(blob "$stage/manifest.json")
  jq -cn --arg digest "sha256:$manifest" --argjson size "$manifest_size" --arg reference "docker.io/library/$name:$version" --arg tag "$version" '{
      schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest, size: $size,
        annotations: {"io.containerd.image.name": $reference, "org.opencontainers.image.ref.name": $tag}}]}' >"$stage/oci/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$stage/oci/oci-layout"
  # `docker load` of engines before 25 reads this in place of the index.
  jq -cn --arg config "blobs/sha256/$config" --arg layer "blobs/sha256/$layer" --arg tag "$name:$version" \
    '[{Config: $config, RepoTags: [$tag], Layers: [$layer]}]' >"$stage/oci/manifest.json"
  tar -C "$stage/oci" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf "$out/$name.tar" .
  printf '%s\n' "$manifest" >"$out/$name.digest"
  rm -rf "$stage"
  printf '%-13s %-9s sha256:%s  %9d bytes compressed\n' "$name" "$version" "$manifest" "$size"
}

# The arguments as JSON; jq would take some of them for its own.
list() { [ $# -eq 0 ] && echo null || printf '%s\n' "$@" | jq -cR . | jq -cs .; }

digest() { sha256sum | cut -d ' ' -f 1; }

# Moves a file into the layout of the image at hand and prints its digest.
blob() {
  local name
  name=$(digest <"$1")
  mv "$1" "$stage/oci/blobs/sha256/$name"
  echo "$name"
}

# A larger image is a mistake: a dependency, a feature, or symbols.
at_most() {
  [ "$size" -le "$1" ] || fail "the image has $size bytes compressed, and may have $1"
}

mkdir -p "$out"
programs
"$built/tracewright-ca-bundle" >"$out/ca-certificates.crt"
image tracewright "$version" "$built/tracewright" 'Kubernetes operator for observability configuration on AWS and OpenTelemetry' operator
at_most 9000000
image activities "$version" "$built/activities" 'The activities service, the sample workload of Tracewright'
at_most 8000000
image aws-emulator "$version" "$built/aws-emulator" 'Emulator of AWS X-Ray, CloudWatch Logs and STS for tests' --listen 0.0.0.0:4566
image otelcol "$collector_version" "$cache/bin/otelcol" 'OpenTelemetry Collector with the awsxray receiver and exporter, for tests'
image e2e-probe "$version" "$built/e2e-probe" 'What the end-to-end test runs inside of the cluster'

if [ -n "$load" ]; then
  for name in tracewright activities aws-emulator otelcol e2e-probe; do
    docker load --quiet --input "$out/$name.tar"
  done
fi
