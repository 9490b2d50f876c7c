#!/usr/bin/env bash
# Builds the images of the commit a second time, from nothing, in another checkout, another target folder and another cache, and
# compares the digests. Takes as long as a release build, and the Collector.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  echo 'there are changes that are not committed: the second build would be another one' >&2
  exit 1
fi
second=$(mktemp -d)
trap 'rm -rf "$second"' EXIT
# Both builds are of this commit, whatever is committed while they run.
for checkout in first second; do
  git clone --quiet . "$second/checkout-$checkout"
done
TRACEWRIGHT_IMAGES_TARGET=${CARGO_TARGET_DIR:-$PWD/target} "$second/checkout-first/images/build.sh" --no-load
# The Collector comes out of the cache folder, and what Go compiled before out of Go's own.
TRACEWRIGHT_CACHE=$second/cache GOCACHE=$second/go TRACEWRIGHT_IMAGES_TARGET=$second/target \
  "$second/checkout-second/images/build.sh" --no-load
for file in "$second"/cache/images/*.digest; do
  cmp "$cache/images/${file##*/}" "$file"
done
echo 'both builds gave the same digests'
