#!/usr/bin/env bash
# package.sh <version> <built> <folder> <os>/<arch>...
#
# Makes a deb and an rpm package in <folder> for each platform, from the files that build.sh built in <built>.
set -euo pipefail
version=$1 built=$(cd "$2" && pwd) folder=$(mkdir -p "$3" && cd "$3" && pwd)
shift 3
cd "$(dirname "$0")/.."
time=$(git log -1 --format=%ct)
# nfpm dates the packages and their folders by it.
export SOURCE_DATE_EPOCH=$time VERSION=$version GOARCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
env -u GOARCH go build -modfile=internal/releasetools/go.mod -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
git archive HEAD LICENSE CHANGELOG.md deploy/package deploy/config.yaml '*/config.schema.json' | tar -x -C "$work"
cd "$work"
mv deploy/package/* deploy/config.yaml .
maintainer=$(sed -n 's/^maintainer: //p' nfpm.yaml)
cat >copyright <<'END'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Source: https://github.com/impression-collector/impression-bridge
Comment: The folder licenses has the licenses of all modules in the binary.

Files: *
Copyright: 2026 The authors of the impression bridge
License: Apache-2.0
 The full text is in /usr/share/common-licenses/Apache-2.0.
END
gzip -n -9 >changelog.gz <<END
otelcol-impression ($(echo "$version" | tr - '~')) stable; urgency=medium

  * CHANGELOG.md beside this file says what changed.

 -- $maintainer  $(LC_ALL=C date -u -d "@$time" '+%a, %d %b %Y %T +0000')
END
mkdir schema
for schema in */config.schema.json; do
	mv "$schema" "schema/$(dirname "$schema").schema.json"
done

for platform; do
	GOARCH=${platform#*/}
	rm -rf otelcol-impression licenses
	cp -R "$built/${platform/\//_}"/{otelcol-impression,licenses} .
	chmod -R u=rwX,go=rX .
	find . -exec touch --no-dereference --date="@$time" {} +
	for packager in deb rpm; do
		./nfpm package --config nfpm.yaml --packager $packager --target "$folder" >nfpm.log || { cat nfpm.log >&2; exit 1; }
		grep 'created package' nfpm.log
	done
done
