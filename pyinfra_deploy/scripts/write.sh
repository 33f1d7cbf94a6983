#!/bin/sh
# write.sh FILE MODE OWNER: replaces the file atomically by standard input; nobody else can read a
# part of it.
set -e
mkdir -p "$(dirname "$1")"
rm -f "$1.new"
(umask 077 && cat >"$1.new")
chown "$3" "$1.new"
chmod "$2" "$1.new"
mv -f "$1.new" "$1"
