#!/bin/sh
# Runs after an installation or an upgrade. dpkg calls it as "configure <old version>", and rpm with the number of packages left.
set -e

if ! getent passwd otelcol-impression >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/otelcol-impression --shell /usr/sbin/nologin \
		--comment 'Impression bridge' otelcol-impression
fi
if [ ! -d /var/lib/otelcol-impression ]; then
	mkdir -m 0750 /var/lib/otelcol-impression
	chown otelcol-impression:otelcol-impression /var/lib/otelcol-impression
fi

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# A running service continues with the new version. A new one isn't started, because it has no key yet.
	systemctl try-restart otelcol-impression.service || true
fi
