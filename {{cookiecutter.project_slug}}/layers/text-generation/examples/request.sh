#!/bin/sh
# Sends a prompt to a running service. Another address or request: request.sh URL [FILE]
curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
    --data-binary "@${2:-$(dirname "$0")/count-on.json}" "${1:-http://localhost:8000}/generate"
