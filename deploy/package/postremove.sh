#!/bin/sh
# Runs after a removal. Only dpkg's purge deletes the configuration, the queue and the user; rpm has no purge.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "${1:-}" = purge ]; then
	rm -rf /var/lib/otelcol-impression /etc/otelcol-impression
	if getent passwd otelcol-impression >/dev/null; then
		userdel otelcol-impression
	fi
fi
