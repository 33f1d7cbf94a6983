#!/bin/sh
# room.sh DIRECTORY KIB: creates the directory, and fails if its disk has less free space, because
# ssh's file transfer itself would only report "Failure".
set -e
mkdir -p "$1"
chmod 0755 "$1"
free=$(df -Pk "$1" | awk 'END { print $4 }')
if [ "$free" -lt "$2" ]; then
    echo "no space left in $1: $free KiB are free, $2 are needed" >&2
    exit 1
fi
