#!/usr/bin/env bash
# keys.sh "KEY [FACT...]": put an API key into the Secret of the cluster that components/keys mounts, in place
# of one of that name; with DELETE=1 take it out. Called by "make key TARGET=kubernetes", which sets the
# variables. A new Secret gets a key for Prometheus too, which its ServiceMonitor sends.
set -euo pipefail
secret=$NAME-keys

part() { kubectl get secret "$secret" --ignore-not-found --output="jsonpath={.data.$1}" | base64 --decode; }
encoded() { base64 | tr -d '\n'; }

lines=$(part keys)
metrics=$(part metrics)
if [ -z "$metrics" ]; then
    made=$("$PYTHON" -m service.web.access prometheus scopes=metrics 2>&1)
    metrics=$(sed -n 's/^The key.*: //p' <<<"$made")
    lines+=$'\n'${made##*$'\n'}
fi
others=$(awk -v key="${1%% *}" 'NF && $1 != key' <<<"$lines")
if [ -z "${DELETE:-}" ]; then
    others+=$'\n'$("$PYTHON" -m service.web.access "$1")
elif ! awk -v key="$1" '$1 == key { found = 1 } END { exit !found }' <<<"$lines"; then
    echo "error: $secret has no key \"$1\"." >&2
    exit 1
fi
printf '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "%s"}, "data": {"keys": "%s", "metrics": "%s"}}' \
    "$secret" "$(encoded <<<"$others")" "$(printf '%s' "$metrics" | encoded)" | kubectl apply --filename=-
echo "Pods that run see it within two minutes. Their keys:"
awk 'NF { print "  " $1 }' <<<"$others"
