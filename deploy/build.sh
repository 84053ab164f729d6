#!/usr/bin/env bash
# build.sh <version> <folder> <os>/<arch>...
#
# Builds the committed files for each platform into <folder>/<os>_<arch>: the binary, the licenses of all modules in it, and an
# SBOM. The same commit, version and Go version give the same files in any folder on any machine.
set -euo pipefail
version=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
cd "$(dirname "$0")/.."
module=$(go list -m)

source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git archive HEAD | tar -x -C "$source"
make -C "$source" _build/go.mod "VERSION=$version" >/dev/null
# Tools are built for this machine, so before GOOS and GOARCH are set.
go build -modfile=internal/releasetools/go.mod -o "$source/cyclonedx-gomod" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
# cyclonedx-gomod takes the version from a tag.
git init -q "$source/_build"
git -C "$source/_build" -c user.name=build -c user.email=build@localhost commit -q --allow-empty -m build
git -C "$source/_build" tag "v$version"

# Copies the licenses of each package in the binary, from its folder up to its module's, and those of Go.
licenses() {
	local into=$1 name root folder found
	install -D -m 644 "$(go env GOROOT)/LICENSE" "$into/go/LICENSE"
	go list -C "$source/_build" -mod=mod -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}	{{.Dir}}	{{$.Dir}}{{end}}{{end}}' . |
		grep -v "^$module@" | sort -u |
		while IFS=$'\t' read -r name root folder; do
			while :; do
				for found in "$folder"/{LICEN[CS]E,licen[cs]e,COPYING,NOTICE,PATENTS}*; do
					case $found in *.go | *\**) continue ;; esac
					[ -f "$found" ] && install -D -m 644 "$found" "$into/$name${found#"$root"}"
				done
				[ "$folder" = "$root" ] && break
				folder=$(dirname "$folder")
			done
			[ -d "$into/$name" ] || { echo "$name has no license" >&2; exit 1; }
		done
}

# Lists the modules in the binary. A module that is replaced by a folder would have the folder's name, and its hash would be that of
# the folder with all that is built there. The first hashes are those of the tool, which differ from machine to machine.
sbom() {
	"$source/cyclonedx-gomod" app -json -licenses -std -noserial -notimestamp "$source/_build" 2>"$source/sbom.log" |
		sed -e "s|\"name\": \"\\.\\.\"|\"name\": \"$module\",\n      \"version\": \"v$version\"|" \
			-e "s|pkg:golang/\\.\\.?|pkg:golang/$module@v$version?|" |
		awk -v ours="\"name\": \"$module\"" 'BEGIN { leave = 1 } index($0, ours) { leave = 1 }
			/"hashes": \[/ && leave { leave = 0; skip = 1 } !skip; /\]/ { skip = 0 }' ||
		{ cat "$source/sbom.log" >&2; exit 1; }
}

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod GOOS GOARCH
for platform; do
	GOOS=${platform%/*} GOARCH=${platform#*/}
	out=$folder/${GOOS}_$GOARCH
	rm -rf "$out"
	mkdir -p "$out"
	echo "building for $platform"
	go build -C "$source/_build" -trimpath -buildvcs=false -ldflags='-s -w' \
		-o "$out/otelcol-impression$(go env GOEXE)" .
	licenses "$out/licenses"
	sbom >"$out/sbom.cdx.json"
done
