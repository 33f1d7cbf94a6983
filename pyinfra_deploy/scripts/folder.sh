#!/bin/sh
# folder.sh DIRECTORY GROUP: creates a directory that only root and the group may enter.
set -e
mkdir -p "$1"
chmod 0750 "$1"
chgrp "$2" "$1"
