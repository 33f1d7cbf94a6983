#!/bin/sh
# clamp.sh EPOCH, in a tree: gives everything that is younger than this time that time.
set -e
find . -xdev -newermt "@$1" -print0 |
    xargs -0 --no-run-if-empty touch --no-dereference --date="@$1"
