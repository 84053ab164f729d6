#!/usr/bin/env bash
# image.sh <version> <folder>
#
# Checks the image in <folder>: its labels and settings, and that the collector delivers events from the image's unpacked root, as the
# image's user, when only the queue's folder can be written. Needs root on Debian.
set -euo pipefail
version=$1 folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
if [ -z "${OWN_NETWORK:-}" ]; then
	packages=(skopeo umoci jq curl iproute2)
	dpkg-query -W "${packages[@]}" >/dev/null 2>&1 ||
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
	# A network that has only a loopback, and mounts that end with this script.
	OWN_NETWORK=yes exec unshare --net --mount deploy/check/image.sh "$version" "$folder"
fi
ip link set lo up
image=oci-archive:$folder/otelcol-impression_${version}_image.tar

work=$(mktemp -d)
pids=()
cleanup() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
	umount --quiet --recursive "$work/bundle/rootfs" || true
	rm -rf "$work"
}
trap cleanup EXIT

# Waits until a command succeeds, for at most a minute.
await() {
	for _ in $(seq 600); do
		"$@" && return
		sleep 0.1
	done
	cat "$work/collector.log" >&2
	return 1
}

echo '== labels and settings'
skopeo inspect --raw "$image" | jq -r '.manifests[].platform | .os + "/" + .architecture'
skopeo copy --quiet --override-arch "$(dpkg --print-architecture)" "$image" "oci:$work/layout:image"
config=$(skopeo inspect --config "oci:$work/layout:image")
jq -r '.config | "user " + .User, (.Labels | to_entries[] | .key + "=" + .value)' <<<"$config"
jq -e --arg version "$version" --arg commit "$(git rev-parse HEAD)" '.config | .User == "10001:10001"
	and .Entrypoint == ["/otelcol-impression"] and .Labels["org.opencontainers.image.licenses"] == "Apache-2.0"
	and .Labels["org.opencontainers.image.version"] == $version
	and .Labels["org.opencontainers.image.revision"] == $commit' <<<"$config" >/dev/null

echo '== run'
umoci unpack --image "$work/layout:image" "$work/bundle" >/dev/null 2>"$work/umoci.log" || { cat "$work/umoci.log" >&2; exit 1; }
root=$work/bundle/rootfs
[ "$(stat -c %u:%g "$root/var/lib/otelcol-impression")" = 10001:10001 ]
grep -q 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt"
mkdir "$root/proc"
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid,nodev "$root"
mount --bind /proc "$root/proc"
mount -t tmpfs -o uid=10001,gid=10001,mode=0750 tmpfs "$root/var/lib/otelcol-impression"
mapfile -t environment < <(jq -r '.config.Env[]' <<<"$config")
mapfile -t entrypoint < <(jq -r '.config.Entrypoint[]' <<<"$config")
mapfile -t arguments < <(jq -r '.config.Cmd[]' <<<"$config")
# As an orchestrator starts it with a read-only root and no privileges.
in_image() {
	exec env -i "${environment[@]}" AMPLITUDE_API_KEY=k WEBHOOK_AUTHORIZATION='Bearer s3cret' OTLP_TOKEN=s3cret \
		AMPLITUDE_ENDPOINT=http://127.0.0.1:8089/2/httpapi \
		setpriv --no-new-privs unshare --root "$root" --setgid 10001 --setuid 10001 -- "${entrypoint[@]}" "$@"
}
[ "$(in_image --version)" = "otelcol-impression version $version" ]
CGO_ENABLED=0 go build -o "$work/fake-amplitude" ./internal/fakeamplitude
"$work/fake-amplitude" >"$work/amplitude.log" &
pids+=($!)
in_image "${arguments[@]}" >"$work/collector.log" 2>&1 &
collector=$!
pids+=("$collector")
await curl -sf -o /dev/null http://127.0.0.1:13133
status=$(cat "/proc/$collector/status")
grep -qP '^Uid:\t10001\t10001' <<<"$status"
grep -qP '^CapEff:\t0+$' <<<"$status"
grep -qP '^NoNewPrivs:\t1$' <<<"$status"
if touch "$root/written" 2>/dev/null; then
	echo 'the root is writable' >&2
	exit 1
fi

[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8088/events -H 'Authorization: Bearer s3cret' \
	-d '{"type":"track","event":"Order","userId":"user-17","messageId":"m-1"}')" = 200 ]
known=$(grep -o 'http://[^ ]*\.json' "$work/amplitude.log")
delivered() { curl -sf "$known" | grep -q '"Order"'; }
await delivered
kill "$collector"
wait "$collector"
[ -n "$(ls "$root/var/lib/otelcol-impression")" ]
echo 'ran as 10001 without capabilities on a read-only root, delivered an event, and stopped'
