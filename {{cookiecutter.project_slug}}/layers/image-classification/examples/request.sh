#!/bin/sh
# Asks a running service which digit examples/7.png shows. Another address: request.sh URL [IMAGE]
curl --silent --show-error --fail-with-body \
    --form "image=@${2:-$(dirname "$0")/7.png}" "${1:-http://localhost:8000}/predict"
