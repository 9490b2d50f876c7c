#!/usr/bin/env bash
# Builds the images a second time, from nothing in another target folder, and compares the digests. Takes as long as a release
# build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${TRACEWRIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tracewright}
second=$(mktemp -d)
trap 'rm -rf "$second"' EXIT
images/build.sh --no-load
mkdir "$second/first"
cp "$cache"/images/*.digest "$second/first"
TRACEWRIGHT_IMAGES_TARGET=$second/target images/build.sh --no-load
for file in "$second"/first/*.digest; do
  cmp "$file" "$cache/images/${file##*/}"
done
echo 'both builds gave the same digests'
