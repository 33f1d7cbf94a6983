#!/bin/sh
# received.sh FILE SHA256: fails where the file that was sent is not the one that is here.
set -e
chmod 0644 "$1"
echo "$2  $1" | sha256sum --check --quiet
