#!/usr/bin/env bash
# Builds the images of the commit a second time, from nothing, in another checkout and another target folder, and compares the
# digests. Takes as long as a release build.
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
mkdir "$second/first"
cp "$cache"/images/*.digest "$second/first"
TRACEWRIGHT_IMAGES_TARGET=$second/target "$second/checkout-second/images/build.sh" --no-load
for file in "$second"/first/*.digest; do
  cmp "$file" "$cache/images/${file##*/}"
done
echo 'both builds gave the same digests'
