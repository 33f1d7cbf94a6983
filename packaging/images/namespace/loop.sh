#!/bin/sh
# loop.sh DISK, in the directory of a root: mounts the file system in a file as the root.
exec mount -o loop "$1" root
