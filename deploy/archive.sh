#!/usr/bin/env bash
# archive.sh <version> <built> <folder>
#
# Packs the files that build.sh built in <built> into an archive for each platform in <folder>, and puts the SBOMs beside them. Needs
# GNU tar.
set -euo pipefail
version=$1 built=$(cd "$2" && pwd) folder=$(mkdir -p "$3" && cd "$3" && pwd)
cd "$(dirname "$0")/.."
# The time of all files, so that the archives don't depend on when they are made.
time=$(git log -1 --format=%ct)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for platform in "$built"/*; do
	name=otelcol-impression_${version}_$(basename "$platform")
	echo "packing $name.tar.gz"
	mkdir "$work/$name"
	cp -R "$platform/." "$work/$name"
	git archive HEAD LICENSE README.md CHANGELOG.md deploy/config.yaml examples '*/config.schema.json' | tar -x -C "$work/$name"
	mv "$work/$name/deploy/config.yaml" "$work/$name"
	rmdir "$work/$name/deploy"
	mkdir "$work/$name/schema"
	for schema in "$work/$name"/*/config.schema.json; do
		mv "$schema" "$work/$name/schema/$(basename "$(dirname "$schema")").schema.json"
		rmdir "$(dirname "$schema")"
	done
	mv "$work/$name/sbom.cdx.json" "$folder/$name.cdx.json"
	chmod -R u=rwX,go=rX "$work/$name"
	tar -c -C "$work" --format=gnu --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner "$name" |
		gzip -n >"$folder/$name.tar.gz"
	rm -r "${work:?}/$name"
done
