#!/usr/bin/env bash
# contents.sh <version> <folder>
#
# Checks the archives in <folder>: the checksums are right; the SBOM lists exactly the modules in the binary; each module has a
# license, and none has a license of the GPL's kind; the binaries for Linux print their version and accept the configuration, in an
# emulator if they are for another architecture.
set -euo pipefail
version=$1 folder=$(cd "$2" && pwd)
packages=(jq qemu-user-static)
dpkg-query -W "${packages[@]}" >/dev/null 2>&1 ||
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$folder"
sha256sum --quiet --check SHA256SUMS

for archive in otelcol-impression_*.tar.gz; do
	name=${archive%.tar.gz}
	tar -x -C "$work" -f "$archive"
	root=$work/$name
	for file in LICENSE README.md CHANGELOG.md config.yaml examples/bridge/production/collector.yaml \
		schema/{amplitudeexporter,cdpwebhookreceiver,impressioninspectorextension,impressionprocessor}.schema.json; do
		[ -f "$root/$file" ] || { echo "$archive has no $file" >&2; exit 1; }
	done

	# In go version -m, a replacement follows the module that it replaces. Ours is replaced by the clone.
	binary=$(ls "$root"/otelcol-impression{,.exe} 2>/dev/null || true)
	go version -m "$binary" | awk '$1 == "dep" { print $2 "@" $3 }' | sort >"$work/modules"
	go version -m "$binary" | awk '$1 == "dep" { if (last) print last; last = $2 "@" $3 } $1 == "=>" { last = $2 "@" $3 } END { print last }' | grep -v '^\.\.@' | sort >"$work/linked"
	jq -r '.components[] | .name + "@" + .version' "$name.cdx.json" | grep -v '^std@\|/impression-bridge@' | sort >"$work/listed"
	diff "$work/linked" "$work/listed" || { echo "the SBOM of $archive doesn't list the modules in its binary" >&2; exit 1; }
	while read -r module; do
		case $module in */impression-bridge@*) continue ;; esac
		find "$root/licenses/$module" -type f 2>/dev/null | grep -q . || { echo "$archive has no license for $module" >&2; exit 1; }
	done <"$work/modules"
	jq -r '.components[] | .name as $name | .evidence.licenses[]?.license.id | select(test("GPL|SSPL|BUSL|CC-BY-NC")) | $name + " " + .' \
		"$name.cdx.json" >"$work/refused"
	[ ! -s "$work/refused" ] || { cat "$work/refused" >&2; exit 1; }
	[ "$(jq -r .metadata.component.version "$name.cdx.json")" = "v$version" ]

	case $name in
	*_linux_"$(dpkg --print-architecture)") run=() ;;
	*_linux_amd64) run=(qemu-x86_64-static) ;;
	*_linux_arm64) run=(qemu-aarch64-static) ;;
	*) run=(false) ;;
	esac
	if [ "${run[*]}" != false ]; then
		[ "$("${run[@]}" "$binary" --version)" = "otelcol-impression version $version" ]
		AMPLITUDE_API_KEY=k WEBHOOK_AUTHORIZATION=s OTLP_TOKEN=t STORAGE=$work/queue \
			"${run[@]}" "$binary" validate --config="$root/config.yaml"
		echo "$name: runs, and accepts its configuration"
	fi
	echo "$archive: $(wc -l <"$work/linked") modules, all in the SBOM and with a license"
done
