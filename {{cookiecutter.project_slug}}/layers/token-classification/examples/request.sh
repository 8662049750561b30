#!/bin/sh
# Sends a text to a running service. Another address or text: request.sh URL [FILE]
curl --silent --show-error --fail-with-body --header 'Content-Type: text/plain' \
    --data-binary "@${2:-$(dirname "$0")/move.txt}" "${1:-http://localhost:8000}/predict"
