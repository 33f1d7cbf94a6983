#!/bin/sh
# received.sh FILE SHA256: fails unless the received file has the SHA-256 of the file that was sent.
set -e
chmod 0644 "$1"
echo "$2  $1" | sha256sum --check --quiet
