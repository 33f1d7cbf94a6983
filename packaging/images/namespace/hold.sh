#!/bin/sh
# hold.sh DIRECTORY SCRIPT [ARGUMENT...]: holds a mount namespace in which the script has mounted a
# root at DIRECTORY/root. It exits when DIRECTORY/hold is removed, or with the process that runs it.
set -e
cd "$1"
script=$2
shift 2
sh "$script" "$@"
: >ready
while [ -e hold ]; do
    sleep 0.1
done
if mountpoint -q root; then
    umount root
fi
