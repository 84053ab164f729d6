#!/usr/bin/env bash
# Builds the manifest of README.md, "In your own collector", with each collector version that the section names, and checks that
# the collector has our components.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$root" "$work/impression-bridge"
cd "$work"
awk '/^#/ { here = /In your own collector/ } here' "$root/README.md" >section.md
awk '/^```yaml/ { copy = 1; next } /^```/ { copy = 0 } copy' section.md >readme.yaml
shown=$(awk '/otlpreceiver/ { print $4 }' readme.yaml)

# v0.0.0 is ours.
for version in $(grep -oE 'v0\.[1-9][0-9]*\.[0-9]+' section.md | sort -uV); do
	echo "building the README's collector with $version"
	sed "s/ $shown\$/ $version/" readme.yaml >manifest.yaml
	go run "go.opentelemetry.io/collector/cmd/builder@$version" --config manifest.yaml --ldflags='-s -w' >ocb.log 2>&1 ||
		{ cat ocb.log >&2; exit 1; }
	my-collector/my-collector components >components.yaml
	for component in cdp_webhook impression amplitude impression_inspector; do
		grep -q "name: $component\$" components.yaml || { echo "$component is missing with $version" >&2; exit 1; }
	done
	go version -m my-collector/my-collector | awk '$2 == "go.opentelemetry.io/collector/otelcol" { print "has " $2, $3 }'
	rm -r my-collector
done
