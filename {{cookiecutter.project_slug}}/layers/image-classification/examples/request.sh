#!/bin/sh
# Sends examples/7.png to a running service. Another address or image: request.sh URL [IMAGE]
curl --silent --show-error --fail-with-body \
    --form "image=@${2:-$(dirname "$0")/7.png}" "${1:-http://localhost:8000}/predict"
