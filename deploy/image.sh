#!/usr/bin/env bash
# image.sh <version> <built> <folder> linux/<arch>...
#
# Builds image/Dockerfile with buildah, without a daemon, from the files that build.sh built in <built>, and writes an OCI archive
# with an image for each platform to <folder>. The CA certificates are those of this machine. As root on Debian, it installs buildah if
# that is missing.
set -euo pipefail
version=$1 built=$(cd "$2" && pwd) folder=$(mkdir -p "$3" && cd "$3" && pwd)
shift 3
cd "$(dirname "$0")/.."
command -v buildah >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah >/dev/null; }
time=$(git log -1 --format=%ct)

# The context also serves docker build.
context=_build/image-context
rm -rf $context
mkdir -p $context/state
install -m 644 /etc/ssl/certs/ca-certificates.crt $context
git archive HEAD deploy/config.yaml | tar -x -C $context --strip-components=1
for platform; do
	cp -R "$built/${platform/\//_}/licenses" "$context/licenses_${platform#*/}"
	install -m 755 "$built/${platform/\//_}/otelcol-impression" "$context/otelcol-impression_${platform#*/}"
done
chmod -R u=rwX,go=rX $context

storage=$(mktemp -d)
# Without root, the image's files belong to other users, and only buildah can remove them.
remove=(rm -rf)
[ "$(id -u)" = 0 ] || remove=(buildah unshare rm -rf)
trap '"${remove[@]}" "$storage"' EXIT
run() { buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs "$@"; }
for platform; do
	echo "building an image for $platform"
	run build --quiet --isolation chroot --format oci --identity-label=false --timestamp "$time" \
		--platform "$platform" --manifest otelcol-impression \
		--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD)" \
		--file deploy/image/Dockerfile $context >/dev/null
done
run manifest push --quiet --all --format oci otelcol-impression "oci:$storage/layout:$version" >/dev/null
tar -c -C "$storage/layout" --format=gnu --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
	blobs index.json oci-layout >"$folder/otelcol-impression_${version}_image.tar"
