#!/bin/sh
# folder.sh DIRECTORY GROUP: makes a directory that root and the group alone may enter.
set -e
mkdir -p "$1"
chmod 0750 "$1"
chgrp "$2" "$1"
