#!/usr/bin/env bash
# reproducible.sh <version> <folder>
#
# Builds everything in <folder> again, in a clone in another folder, and compares the hashes. What is compiled comes from Go's
# build cache if it is there; GOCACHE=$(mktemp -d) compiles it again too.
set -euo pipefail
version=$1 folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."

clone=$(mktemp -d)/another-folder
trap 'rm -rf "$(dirname "$clone")"' EXIT
git clone -q . "$clone"
make -C "$clone" dist package image "VERSION=$version" >"$clone/log" 2>&1 || { tail "$clone/log" >&2; exit 1; }
diff "$folder/SHA256SUMS" "$clone/_build/dist/SHA256SUMS"
echo "built twice with the same hashes: $(wc -l <"$folder/SHA256SUMS") files"
