#!/bin/sh
# enter.sh ROOT PROGRAM [ARGUMENT...]: runs a program in a root that was built from packages.
set -e
root=$1
shift
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
