#!/bin/sh
# Runs before a removal or an upgrade. dpkg calls it as "remove" or "upgrade <new version>", and rpm with the number of packages left.
set -e

case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now otelcol-impression.service || true
	fi
	;;
esac
