#!/bin/sh
# overlay.sh BASE, in the directory of a root: mounts the root as an overlay on the base, which is
# never changed. If the file system does not support it, as in a container, the base is copied.
set -e
ln -s "$1" base
mkdir upper work
if mount -t overlay overlay -o lowerdir=base,upperdir=upper,workdir=work root 2>copied; then
    rm copied
else
    cp -a --reflink=auto base/. root
fi
