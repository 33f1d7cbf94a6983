#!/bin/sh
# settings-write.sh FILE: replaces the file atomically by standard input, and keeps its mode and
# owner.
set -e
cp -p "$1" "$1.new" 2>/dev/null || install -m 0644 /dev/null "$1.new"
cat >"$1.new"
mv -f "$1.new" "$1"
