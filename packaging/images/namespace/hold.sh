#!/bin/sh
# hold.sh DIRECTORY SCRIPT [ARGUMENT...]: holds a mount namespace in which the script has put a
# root at DIRECTORY/root. It ends when DIRECTORY/hold goes, or with whoever asked for it.
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
