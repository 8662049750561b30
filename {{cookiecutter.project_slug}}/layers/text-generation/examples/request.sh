#!/bin/sh
# Asks a running service how a text goes on. Another address, another request: request.sh URL [FILE]
curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
    --data-binary "@${2:-$(dirname "$0")/count-on.json}" "${1:-http://localhost:8000}/generate"
