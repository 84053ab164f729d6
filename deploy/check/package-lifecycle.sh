#!/bin/bash
# Runs in a separate Debian root, whose systemd started it: packages.sh puts old.deb, new.deb and fake-amplitude into /check.
set -euxo pipefail
export DEBIAN_FRONTEND=noninteractive
service=otelcol-impression
state=/var/lib/$service

# Sends events to the webhook, and prints the status of the last answer.
send() {
	local n status=
	for n in $(seq "$1" "$2"); do
		status=$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8088/events -H "Authorization: $3" \
			-d "{\"type\":\"track\",\"event\":\"Order $n\",\"userId\":\"user-17\",\"messageId\":\"m-$n\"}")
	done
	echo "$status"
}

# Fails if a command succeeds, which set -e doesn't notice behind "!".
refuse() {
	if "$@"; then
		echo "should have failed: $*"
		exit 1
	fi
}

# Waits until a command succeeds, for at most a minute.
await() {
	for _ in $(seq 600); do
		"$@" && return
		sleep 0.1
	done
	journalctl --no-pager -u $service | tail -n 30
	return 1
}

healthy() { curl -sf -o /dev/null http://127.0.0.1:13133; }
events_known() { [ "$(curl -sf "$known" | grep -o '"Order [0-9]*"' | sort -u | wc -l)" = "$1" ]; }

dpkg -i /check/old.deb
[ "$(stat -c %a:%U:%G /etc/$service/environment)" = 600:root:root ]
[ "$(stat -c %a:%U:%G $state)" = "750:$service:$service" ]
refuse systemctl is-enabled --quiet $service
refuse systemctl is-active --quiet $service
# The configuration is valid as it is, for the service's user.
# shellcheck source=/dev/null
(set -a && . /etc/$service/environment && setpriv --reuid=$service --regid=$service --clear-groups \
	$service validate --config=/etc/$service/config.yaml)
echo 'ok: installed: valid configuration, not started'

refuse systemctl start $service
explained() { [[ $(journalctl --no-pager -u $service) == *'Replace change-me'* ]]; }
await explained
echo "ok: refused to start with the package's secrets"

systemctl reset-failed $service
sed -i 's/change-me/s3cret/; $ a AMPLITUDE_ENDPOINT=http://127.0.0.1:8089/2/httpapi' /etc/$service/environment
systemctl enable --now $service
await healthy
pid=$(systemctl show -p MainPID --value $service)
limits=$(cat "/proc/$pid/status")
[ "$(stat -c %U "/proc/$pid")" = $service ]
grep -q '^NoNewPrivs:.1$' <<<"$limits"
grep -q '^Seccomp:.2$' <<<"$limits"
grep -q '^CapEff:.0*$' <<<"$limits"
grep -q '^CapBnd:.0*$' <<<"$limits"
# Only the queue's folder and temporary ones can be written.
mounts=$(awk '{ print $5, $6 }' "/proc/$pid/mountinfo")
refuse grep -E '^(/|/etc|/usr) rw' <<<"$mounts"
grep -q '^/ ro' <<<"$mounts"
grep -q "^$state rw" <<<"$mounts"
echo "ok: running as $service, without privileges, with a read-only system"

# Amplitude is down.
[ "$(send 1 1 'Bearer wrong')" = 401 ]
[ "$(send 1 30 'Bearer s3cret')" = 200 ]
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:4318/v1/logs -H 'Content-Type: application/json' -d '{}')" = 401 ]
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:4318/v1/logs -H 'Content-Type: application/json' \
	-H 'Authorization: Bearer s3cret' -d '{}')" = 200 ]

dpkg -i /check/new.deb
await healthy
[ "$(systemctl show -p MainPID --value $service)" != "$pid" ]
[ "$(send 31 40 'Bearer s3cret')" = 200 ]
echo 'ok: upgraded during an outage of Amplitude: the service continues with its configuration'

/check/fake-amplitude >/check/amplitude.log 2>&1 &
known=$(until grep -o 'http://[^ ]*\.json' /check/amplitude.log; do sleep 0.1; done)
await events_known 40
echo 'ok: delivered all 40 events, including those from before the upgrade'

journal=$(journalctl --no-pager -u $service)
refuse grep -iE 'operation not permitted|permission denied' <<<"$journal"

dpkg -r $service
refuse systemctl is-active --quiet $service
[ ! -e /usr/bin/$service ]
[ -n "$(ls -A $state)" ]
grep -q s3cret /etc/$service/environment
echo 'ok: removed: the queue and the configuration are kept'

dpkg -i /check/new.deb
systemctl start $service
await healthy
grep -q s3cret /etc/$service/environment
echo 'ok: installed again: the service continues'

dpkg -P $service
refuse systemctl is-active --quiet $service
[ ! -e $state ]
[ ! -e /etc/$service ]
refuse getent passwd $service
echo 'ok: purged: nothing is left'
