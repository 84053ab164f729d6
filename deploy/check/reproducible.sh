#!/usr/bin/env bash
# reproducible.sh <version> <folder>
#
# Builds everything in <folder> again, in a clone in another folder, and compares the hashes. Compiled packages come from Go's build
# cache, unless COLD is set: then they are compiled again too, which takes minutes for each platform.
set -euo pipefail
version=$1 folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
clone=$work/another-folder
trap 'rm -rf "$work"' EXIT
[ -z "${COLD:-}" ] || export GOCACHE="$work/cache"
git clone -q . "$clone"
make -C "$clone" dist package image "VERSION=$version" >"$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
diff "$folder/SHA256SUMS" "$clone/_build/dist/SHA256SUMS"
echo "built twice with the same hashes: $(wc -l <"$folder/SHA256SUMS") files"
