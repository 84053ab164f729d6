#!/usr/bin/env bash
# packages.sh <version> <built> <folder>
#
# Checks the packages in <folder> for this machine's architecture, which were made from the files that build.sh built in <built>. It runs
# lintian and checks the unit's limits. In a separate Debian root that boots systemd and has only a loopback network,
# package-lifecycle.sh installs, runs, upgrades, removes and purges the deb. The rpm is checked likewise, without systemd. Needs root on
# Debian.
set -euo pipefail
version=$1 built=$(cd "$2" && pwd) folder=$(cd "$3" && pwd)
cd "$(dirname "$0")/../.."
# By name, and only what is missing.
packages=(lintian rpm systemd systemd-container debootstrap debian-archive-keyring)
dpkg-query -W "${packages[@]}" >/dev/null 2>&1 ||
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
arch=$(dpkg --print-architecture)
deb=$(ls "$folder"/otelcol-impression_*_"$arch".deb)
rpm=$(ls "$folder"/otelcol-impression-*."$(uname -m)".rpm)

echo '== lintian'
lintian --allow-root --fail-on error,warning "$folder"/*.deb
echo '== unit'
systemd-analyze security --offline=true --no-pager --threshold=25 deploy/package/otelcol-impression.service | tail -n 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The package that is upgraded from: the same files with an older version.
deploy/package.sh 0.0.0-0 "$built" "$work/old" "linux/$arch" >/dev/null

echo '== a root for the packages'
base=_build/check/bookworm.tar
if [ ! -f $base ]; then
	mkdir -p _build/check
	debootstrap --variant=minbase --include=systemd,ca-certificates,curl bookworm "$work/base" >"$work/debootstrap.log" ||
		{ tail "$work/debootstrap.log" >&2; exit 1; }
	tar -c -C "$work/base" . >$base
	rm -rf "$work/base"
fi

# Runs a script in a separate root, as a service of its systemd that powers the machine off.
boot() {
	local root=$1 script=$2
	install -m 755 "$script" "$root/check/check.sh"
	cat >"$root/etc/systemd/system/check.service" <<-'END'
		[Unit]
		Description=Check of a package
		After=multi-user.target
		SuccessAction=poweroff
		FailureAction=poweroff
		[Service]
		Type=oneshot
		ExecStart=/bin/bash -c '/check/check.sh >/check/log 2>&1; echo $? >/check/status'
		[Install]
		WantedBy=default.target
	END
	ln -sf ../check.service "$root/etc/systemd/system/multi-user.target.wants/check.service"
	timeout 300 systemd-nspawn --quiet --keep-unit --register=no --private-network --console=read-only \
		--directory="$root" --boot </dev/null >"$work/boot.log" 2>&1 || true
	sed -n 's/^ok: //p' "$root/check/log"
	[ "$(cat "$root/check/status")" = 0 ] || { tail -n 40 "$work/boot.log" "$root/check/log" >&2; return 1; }
}

echo '== deb'
mkdir "$work/deb"
tar -x -C "$work/deb" -f $base
mkdir "$work/deb/check"
cp "$work"/old/*.deb "$work/deb/check/old.deb"
cp "$deb" "$work/deb/check/new.deb"
CGO_ENABLED=0 go build -o "$work/deb/check/fake-amplitude" ./internal/fakeamplitude
boot "$work/deb" deploy/check/package-lifecycle.sh

# Debian's rpm warns at each call.
debian() { sed '/^rpm: /d'; }

echo '== rpm'
root=$work/rpm
mkdir "$root"
tar -x -C "$root" -f $base
rpm -qp --queryformat '%{NAME} %{VERSION} %{ARCH} %{LICENSE}\n' "$folder"/*.rpm
# The root is Debian's, so its rpm database has no packages that could fulfill dependencies.
rpm --root "$root" --initdb
rpm --root "$root" --nodeps -i "$work"/old/*.rpm 2>&1 | debian
chroot "$root" /usr/bin/otelcol-impression --version
[ "$(stat -c %a:%U "$root/etc/otelcol-impression/environment")" = 600:root ]
echo '# edited' >>"$root/etc/otelcol-impression/config.yaml"
echo queue >"$root/var/lib/otelcol-impression/queue"
rpm --root "$root" --nodeps -U "$rpm" 2>&1 | debian
[ "$(chroot "$root" /usr/bin/otelcol-impression --version)" = "otelcol-impression version $version" ]
grep -q '# edited' "$root/etc/otelcol-impression/config.yaml"
rpm --root "$root" -e otelcol-impression 2>&1 | debian
[ ! -e "$root/usr/bin/otelcol-impression" ]
grep -q '# edited' "$root/etc/otelcol-impression/config.yaml.rpmsave"
grep -q queue "$root/var/lib/otelcol-impression/queue"
echo 'rpm: installed, upgraded and removed; the edited configuration and the queue stayed'
